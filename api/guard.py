"""Who may ask, and how much: keys, rates, computing, requests at a time. A plain ASGI middleware before every route."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import Counter
from functools import partial
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from api import problems
from api.keys import KeyRing, KeysError, keys_file
from api.settings import Settings
from index.computing import payer

_log = structlog.get_logger()
PROBES = frozenset({"/livez", "/readyz"})
_PAGE = frozenset({"/", "/docs"})
_PAGE_FILES = "/static/"
_MINUTE_S = 60.0
_MANY = 10_000  # who asked; of these, those whose minute is over are forgotten
KEY_NAME = "footnote.key"
"""Where the name of the key that was used stands in the scope."""


def is_open(path: str) -> bool:
    """Whether ``path`` is served to anyone, without limit: the probes and the page's own files."""
    return path in PROBES or path in _PAGE or path.startswith(_PAGE_FILES)


class Guard:
    """Lets a request through, or answers it: 401 without a key where one is needed, 429 beyond a limit."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._needs_key = settings.needs_key
        self._keys = KeyRing(keys_file(settings.data))
        self._rate = Rate(settings.rate_limit) if settings.rate_limit else None
        self._computing = Computing(settings.compute_s_per_minute) if settings.compute_s_per_minute else None
        self._most = settings.max_concurrent_per_key
        self._running: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and is_open(scope["path"])):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is nothing here that speaks over a web socket
            await send({"type": "websocket.close", "code": 1008})
            return
        path = scope["path"]
        try:
            name = self._named(scope)
        except KeysError as error:
            _log.error("keys", reason=str(error))
            await _answer(problems.problem_of(error, path), {"Retry-After": "2"}, scope, receive, send)
            return
        scope[KEY_NAME] = name
        if self._needs_key and not name:
            await _answer(_no_key(path), {"WWW-Authenticate": "Bearer"}, scope, receive, send)
            return
        if not self._needs_key and (refused := _of_another_site(scope)):
            await _answer(refused, {}, scope, receive, send)
            return
        # By the connection's own address: what a header says of another is anyone's to write.
        asking = f"key {name}" if name else f"address {_network(scope.get('client'))}"
        if self._most and self._running[asking] >= self._most:
            await _answer(_too_many(self._most, path), {"Retry-After": "1"}, scope, receive, send)
            return
        wait_s = self._rate.wait_s(asking) if self._rate else 0
        if wait_s:
            await _answer(_too_often(path), {"Retry-After": str(wait_s)}, scope, receive, send)
            return
        if self._computing:
            wait_s = self._computing.wait_s(asking)
            if wait_s:
                await _answer(_too_dear(path), {"Retry-After": str(wait_s)}, scope, receive, send)
                return
            payer.set(partial(self._computing.spend, asking))
        self._running[asking] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running[asking] -= 1
            if not self._running[asking]:
                del self._running[asking]

    def _named(self, scope: Scope) -> str:
        """Name of the key that came with the request; "" without one of ours. A key that nobody needs is no harm:
        clients made for other services always send one."""
        key = presented(scope["headers"])
        return self._keys.name_of(key) if key else ""


class Rate:
    """So many requests in a window that moves with the clock, for each who asks."""

    def __init__(self, limit: str) -> None:
        """``limit`` as in "60/minute"; ValueError when it is not one."""
        self._item: RateLimitItem = parse(limit)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait_s(self, asking: str) -> int:
        """0 when one more request is let through, which then counts; else the seconds until one would be."""
        if self._limiter.hit(self._item, asking):
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(self._item, asking).reset_time - time.time()))


class Computing:
    """So many seconds of computing a minute, for each who asks. The minute begins with the first that is spent.

    What was begun is finished, so one may overspend by the requests that run at a time. Safe to use from threads, which
    the storage of the library that counts requests is not: it starts timers."""

    def __init__(self, seconds: float) -> None:
        self._most = seconds
        self._spent: dict[str, tuple[float, float]] = {}  # when the minute ends, by time.monotonic(), and seconds spent
        self._lock = threading.Lock()

    def wait_s(self, asking: str) -> int:
        """0 while something is left to spend; else the seconds until there is."""
        ends_at, spent = self._of(asking, time.monotonic())
        return 0 if spent < self._most else max(1, math.ceil(ends_at - time.monotonic()))

    def spend(self, asking: str, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            ends_at, spent = self._of(asking, now)
            self._spent[asking] = (ends_at, spent + seconds)
            if len(self._spent) > _MANY:
                self._spent = {who: one for who, one in self._spent.items() if one[0] > now}

    def _of(self, asking: str, now: float) -> tuple[float, float]:
        ends_at, spent = self._spent.get(asking, (0.0, 0.0))
        return (ends_at, spent) if ends_at > now else (now + _MINUTE_S, 0.0)


def presented(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The key in ``Authorization: Bearer`` or else in ``X-Api-Key``; b"" when there is none. Never from the address:
    that is kept by proxies and browsers."""
    given = dict(reversed(headers))  # the first of a name counts
    scheme, _, key = given.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and key.strip():
        return key.strip()
    return given.get(b"x-api-key", b"").strip()


def _of_another_site(scope: Scope) -> dict[str, Any] | None:
    """The problem with a request that a web page of another site may have had this machine's browser send; None when
    there is none. Where no key is needed, nothing else would tell it from the user's own."""
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1")
    if not _is_local_name(host):
        # A page reads what is of its own origin, and whoever owns a domain can have it mean 127.0.0.1.
        detail = "Ask for it at its address, or set require_key so that it can go by a name."
        return problems.problem(421, "The server does not go by this name", detail, scope["path"])
    elsewhere = headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin")
    if elsewhere and scope["method"] not in ("GET", "HEAD"):  # what changes nothing is not read by the page either
        detail = "Web pages of other sites may not send this. Use the server's own page."
        return problems.problem(403, "The request comes from another site", detail, scope["path"])
    return None


def _is_local_name(host: str) -> bool:
    """Whether a Host header names an address, localhost or a name without a dot, which nobody can buy."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(".localhost")
    return True


def _network(client: tuple[str, int] | None) -> str:
    """The client's address; of IPv6 the /64, within which a host may choose among 2**64."""
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _no_key(path: str) -> dict[str, Any]:
    detail = "Send Authorization: Bearer KEY, with a key that footnote keys add has made."
    return problems.problem(401, "A key is needed", detail, path)


def _too_many(most: int, path: str) -> dict[str, Any]:
    detail = f"{most} requests with this key are being answered. Wait for one of them to end."
    return problems.problem(429, "Too many requests at a time", detail, path)


def _too_often(path: str) -> dict[str, Any]:
    return problems.problem(429, "Too many requests", "Try again after the seconds that Retry-After says.", path)


def _too_dear(path: str) -> dict[str, Any]:
    detail = "What was asked with this key took as much computing as it may. Retry-After says when there is more."
    return problems.problem(429, "Too much computing", detail, path)


async def _answer(body: dict[str, Any], headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
    await problems.response(body, headers)(scope, receive, send)
