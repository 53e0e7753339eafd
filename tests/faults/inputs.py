"""Every place of the interface where a client can put a text, found by walking the OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Input:
    """One place for a text: part of the address, a value in the query, a header, or a text somewhere in the body."""

    method: str
    path: str
    where: str
    name: str
    body: Any = None  # with _HERE where the text goes

    def request(self, text: str) -> tuple[str, str, dict[str, str], bytes]:
        """Method, target, headers and body. ``text`` stands in an address as it is, escapes and all; elsewhere it is
        what it means."""
        target = self.path.replace(f"{{{self.name}}}", text) if self.where == "path" else self.path
        target = re.sub(r"{\w+}", "x", target)
        plain = unquote(text)
        if self.where == "query":
            return self.method, f"{target}?{self.name}={quote(plain, safe='')}", {}, b""
        if self.where == "header":
            kept = "".join(character for character in plain if " " <= character <= "~")
            return self.method, target, {self.name: kept}, b""
        if self.where == "body":
            return self.method, target, JSON | _BOTH, json.dumps(_put(self.body, plain)).encode()
        return self.method, target, {}, b""


_HERE = "\0here"
_BOTH = {"Accept": "application/json, text/event-stream"}


def inputs(described: dict[str, Any]) -> Iterator[Input]:
    """Of every operation, and of the tools for agents, which the document does not describe."""
    for path, item in sorted(described["paths"].items()):
        for method, operation in item.items():
            verb = method.upper()
            for parameter in operation.get("parameters", ()):
                yield Input(verb, path, parameter["in"], parameter["name"])
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                schema = content["application/json"]["schema"]
                for name, body in _bodies(schema, described, ()):
                    yield Input(verb, path, "body", name, body)
    for name in ("static/{name}", "{name}", "v1/{name}"):
        yield Input("GET", f"/{name}", "path", "name")
    for header in ("Host", "Authorization", "X-Api-Key", "Origin", "Referer", "X-Forwarded-Prefix", "X-Original-URL"):
        yield Input("GET", "/v1/index", "header", header)
    for tool, arguments in (
        ("ask", {"question": "harbour", "documents": [_HERE]}),
        ("search", {"query": "harbour", "documents": [_HERE]}),
        ("read_passage", {"passage_id": _HERE}),
        (_HERE, {}),
    ):
        called = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        yield Input("POST", "/mcp", "body", f"a tool's {next(iter(arguments), 'name')}", called)
    yield Input("POST", "/mcp", "body", "uri", {"jsonrpc": "2.0", "id": 1, "method": "resources/read",
                                                "params": {"uri": _HERE}})  # fmt: skip


def _bodies(schema: dict[str, Any], root: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Bodies that fit ``schema``, each with one text marked; of a text that may be one of a few values too."""
    schema = _resolved(schema, root)
    for option in schema.get("anyOf", ()):
        yield from _bodies(option, root, above)
    if schema.get("type") == "string":
        yield ".".join(above), _HERE
    elif schema.get("type") == "array":
        for name, item in _bodies(schema.get("items", {}), root, (*above, "0")):
            yield name, [item]
    elif schema.get("type") == "object":
        properties = schema.get("properties", {})
        least = {name: _least(properties[name], root) for name in schema.get("required", ())}
        for name, inner in properties.items():
            for found, value in _bodies(inner, root, (*above, name)):
                yield found, {**least, name: value}


def _least(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    schema = _resolved(schema, root)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "array":
        return [_least(schema["items"], root)] * schema.get("minItems", 0)
    if kind == "object":
        return {name: _least(schema["properties"][name], root) for name in schema.get("required", ())}
    return {"string": "harbour", "integer": 1, "boolean": False}.get(str(kind))


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = root["components"]["schemas"][name]
    return schema


def _put(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {name: _put(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [_put(inner, text) for inner in value]
    return text if value == _HERE else value
