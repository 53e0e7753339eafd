"""Dataclasses of this project <-> JSON values, driven by their type hints.

What is read back equals what was written: tuples come back as tuples, numbers as the kind they are declared to be. A
field that has a default may be missing: it was added after the value was written."""

from __future__ import annotations

import numbers
import types
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Dataclasses and mappings become objects, in field and key order; tuples become lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, numbers.Real):  # a score may come as numpy's own kind of number
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_json(kind: type[T], value: Any) -> T:
    """The value of type ``kind`` that to_json wrote. Raises TypeError, KeyError or ValueError when it is not one."""
    return cast(T, _read(kind, value))


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{value!r} is not one of {arguments}")
        return value
    if origin in (Union, types.UnionType):  # only ever "X | None" here
        return None if value is None else _read(next(part for part in arguments if part is not type(None)), value)
    if origin is tuple:
        return tuple(_read(arguments[0], item) for item in _expect(value, list))
    if origin is Mapping:
        return {key: _read(arguments[1], item) for key, item in _expect(value, dict).items()}
    if is_dataclass(kind):
        hints = _hints(cast(Hashable, kind))
        if unknown := _expect(value, dict).keys() - hints.keys():
            raise KeyError(f"{kind} has no field {sorted(unknown)}")
        known = {field.name for field in fields(kind) if field.default is not MISSING} - value.keys()
        return cast(Any, kind)(**{name: _read(hint, value[name]) for name, hint in hints.items() if name not in known})
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(value, kind)


def _expect(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value
