"""GET /v1/settings and /v1/suggestions: what the server runs with, and what to ask it first."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit, urlunsplit

from fastapi import APIRouter, Request, Response

from api.routes.ask import GENERATION_HEADER
from api.schemas import SettingEntry, SettingList, Suggestions
from api.settings import Settings
from api.state import state_of

router = APIRouter(prefix="/v1", tags=["settings"])
_SECRET = re.compile(r"(?:^|_)(?:keys?|tokens?|secrets?|passwords?|credentials?)(?:_|$)")


@router.get("/settings")
async def settings(request: Request) -> SettingList:
    """Every setting with its value. Of a path no more than its last part is told, of a secret whether there is one."""
    return SettingList(settings=shown(state_of(request).footnote.settings))


@router.get("/suggestions")
async def suggestions(request: Request, response: Response) -> Suggestions:
    """A few questions that the documents answer, the same for as long as a generation is live."""
    state = state_of(request)
    generation, questions = await state.suggester.suggest(state.gate)
    response.headers[GENERATION_HEADER] = generation
    return Suggestions(generation=generation, questions=questions)


def shown(settings: Settings) -> list[SettingEntry]:
    """The settings as anyone may see them, in the order of README.md."""
    return [
        _entry(name, getattr(settings, name), name in settings.model_fields_set, field.description or "")
        for name, field in type(settings).model_fields.items()
    ]


def _entry(name: str, value: object, given: bool, description: str) -> SettingEntry:
    if isinstance(value, bool | int | float):
        return SettingEntry(name=name, value=value, given=given, description=description)
    # A kind of value that nobody thought of here is kept back like a secret.
    if not isinstance(value, str | Path) or _SECRET.search(name):
        return SettingEntry(name=name, value=None, given=given, secret=True, description=description)
    return SettingEntry(name=name, value=_without_the_machine(value), given=given, description=description)


def _without_the_machine(value: str | Path) -> str:
    """A path's last part, an address's host and port, and any other text as it is."""
    text = str(value)
    if "://" in text:
        parts = urlsplit(text)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
    if isinstance(value, Path) or text.startswith(("~", ".")) or _is_absolute(text):
        return PureWindowsPath(text).name or PurePosixPath(text).name
    return text


def _is_absolute(text: str) -> bool:
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
