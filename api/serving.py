"""Run the server: build what is missing, listen, and end in good order."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from types import FrameType

import anyio
import structlog
import uvicorn
from fastapi import FastAPI

from api import terminal
from api.app import create_app
from api.bounds import MAX_HEAD_BYTES
from api.compose import Footnote
from api.connection import Connection
from api.endings import end_all
from api.keys import KeysError, keys_file, read_keys
from api.settings import Settings
from api.state import State

_log = structlog.get_logger()
GRACE_S = 10
"""From the signal to the end of the process, at most: what starts containers often waits as long before it kills."""
_CLOSE_S = 2  # of them, for connections that have been told to close
_LEAVE_S = 1  # and for threads that compute on


def run(footnote: Footnote, *, update: bool = True, grace_s: float = GRACE_S) -> None:
    """Serve until stopped. Without an index one is built first; with one, it is served at once and brought up to date
    in the background. Raises KeysError where a key is needed and there is none."""
    settings = footnote.settings
    refuse_without_key(settings)
    if not footnote.has_index():
        with terminal.progress() as progress:
            report = footnote.rebuild(progress)
        terminal.show_report(report, plan=False, as_json=False)
    elif update:
        footnote.jobs.start()
    relay_logs()
    server = Server(create_app(footnote), settings.host, settings.port, grace_s)
    server.run()
    if not server.started:
        sys.exit(3)  # uvicorn has said why: the port is taken, as a rule
    _leave()


def refuse_without_key(settings: Settings) -> None:
    """Raises KeysError where a key is needed to ask, and there is none."""
    if settings.needs_key and not read_keys(keys_file(settings.data)):
        where = "asks for a key" if settings.require_key else f"can be reached from other machines at {settings.host}"
        raise KeysError(
            f"The server {where}, and there is none.",
            remedy="Make one: footnote keys add NAME. Or listen on 127.0.0.1, which needs none.",
        )


class Server(uvicorn.Server):
    """Says where it listens once it does. When told to stop, it is not ready from that moment on, answers what it has
    begun, ends what does not end by itself, and leaves with status 0."""

    def __init__(self, app: FastAPI, host: str, port: int, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._state: State = app.state.footnote
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=Connection,
                ws="none",
                log_config=None,
                access_log=False,  # the application logs its requests
                server_header=False,
                proxy_headers=False,  # X-Forwarded-For is anyone's to write, and limits go by the address
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                timeout_graceful_shutdown=_CLOSE_S,
            )
        )

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override] # wider than needed
        await super().startup(sockets)  # type: ignore[arg-type] # as above
        if self.started and not self.should_exit:
            self._say_where()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._state.stopping = True
        if sig == signal.SIGTERM:
            self.should_exit = True  # uvicorn would raise the signal again when all is done: no status 0
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override] # as startup
        """Go on listening while requests are answered: whoever asks whether this is ready is told that it is not."""
        self._state.stopping = True
        with anyio.move_on_after(self._grace_s - _CLOSE_S - _LEAVE_S):
            while self._state.answering and not self.force_exit:
                await anyio.sleep(0.02)
        end_all(self._state)
        await super().shutdown(sockets)  # type: ignore[arg-type] # as above

    @property
    def port(self) -> int:
        """The one it listens on, when it has started."""
        found: int = self.servers[0].sockets[0].getsockname()[1]
        return found

    def _say_where(self) -> None:
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        url = f"http://{host}:{self.port}"
        body = json.dumps({"question": "How many wounded soldiers were sent to North Korea?"})
        key = "-H 'Authorization: Bearer KEY' " if self._state.footnote.settings.needs_key else ""
        sys.stdout.write(
            f"Footnote is listening on {url} (page: {url}/, interface: {url}/docs)\n"
            f"curl -s {url}/v1/ask {key}-H 'Content-Type: application/json' -d '{body}'\n"
        )
        sys.stdout.flush()


def relay_logs() -> None:
    """Have uvicorn's warnings written as our own lines are."""
    logger = logging.getLogger("uvicorn.error")
    logger.handlers = [_Relay(logging.WARNING)]
    logger.propagate = False


class _Relay(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _log.log(record.levelno, "server", message=record.getMessage(), exc_info=record.exc_info)


def _leave() -> None:
    """End the process though threads compute on: an answer that nobody will read must not hold up a stop."""
    until = time.monotonic() + _LEAVE_S
    others = [one for one in threading.enumerate() if one is not threading.current_thread() and not one.daemon]
    for one in others:
        one.join(max(0.0, until - time.monotonic()))
    if any(one.is_alive() for one in others):
        _log.warning("left_threads", threads=sum(one.is_alive() for one in others))
        for child in multiprocessing.active_children():
            child.terminate()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
