"""What a response may not tell of the machine it comes from."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

_LIBRARIES = "python|uvicorn|starlette|fastapi|pydantic|h11|anyio|faiss|numpy|onnxruntime|tantivy|sqlite|structlog|lxml"
_ALWAYS = {
    "a stack": re.compile(r'Traceback \(most recent|File \\?"[^"]*", line \d|\.py", line \d|\bline \d+, in \w'),
    "a library's file": re.compile(r"site-packages|dist-packages|\.venv/|/lib/python\d"),
    "a version": re.compile(rf"\b(?:{_LIBRARIES})(?:/| v?|==|-)\d+\.\d+", re.IGNORECASE),
    "an object": re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>|0x[0-9a-f]{8,}"),
    "a path of the code": re.compile(r"\b(?:index|rag|eval|api)/\w+\.py\b"),
}
_POLICY = "default-src 'none'"


def leaks(headers: Mapping[str, str], body: str, *paths: Path) -> Iterator[str]:
    """What a response tells that it may not: ``paths`` themselves, and what is true of any machine."""
    named = {name.lower(): value for name, value in headers.items()}
    told = "\n".join([*(f"{name}: {value}" for name, value in named.items()), body])
    for path in (*paths, Path.home(), Path.cwd()):
        if str(path) != "/" and re.search(rf"{re.escape(str(path))}(?![\w-])", told):
            yield f"a path, {path}"
    for name in (socket.gethostname(), getpass.getuser()):
        if len(name) > 4 and name != "localhost" and re.search(rf"\b{re.escape(name)}\b", told):
            yield f"a name of this machine, {name}"
    for what, pattern in _ALWAYS.items():
        if found := pattern.search(told):
            yield f"{what}, {found.group()}"
    if "server" in named or "x-powered-by" in named:
        yield "what serves it"
    if named.get("x-content-type-options") != "nosniff" or named.get("referrer-policy") != "no-referrer":
        yield "nothing of how it is to be read"
    if named.get("content-type", "").startswith("text/html") and _POLICY not in named.get(
        "content-security-policy", ""
    ):
        yield "a page without its policy"
