"""Run the server: build what is missing, listen, and end streams in good order."""

from __future__ import annotations

import json
import sys

import uvicorn
from starlette.types import ASGIApp

from api import terminal
from api.app import create_app
from api.compose import Footnote
from api.keys import KeysError, keys_file, read_keys
from api.settings import Settings

_GRACE_S = 10  # uvicorn's own default is to wait for ever, and an open stream then blocks every stop


def run(footnote: Footnote, *, update: bool = True) -> None:
    """Serve until stopped. Without an index one is built first; with one, it is served at once and brought up to date
    in the background."""
    settings = footnote.settings
    refuse_without_key(settings)
    if not footnote.has_index():
        with terminal.progress() as progress:
            report = footnote.rebuild(progress)
        terminal.show_report(report, plan=False, as_json=False)
    elif update:
        footnote.jobs.start()
    server = _Server(server_config(create_app(footnote), settings.host, settings.port))
    server.run()
    if not server.started:
        sys.exit(3)  # uvicorn has said why: the port is taken, as a rule


def server_config(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    """How ``app`` is served, by this module and by tests."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # the application logs its requests
        server_header=False,
        proxy_headers=False,  # X-Forwarded-For is anyone's to write, and limits go by the address
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )


def refuse_without_key(settings: Settings) -> None:
    """Raises KeysError where a key is needed to ask, and there is none."""
    if settings.needs_key and not read_keys(keys_file(settings.data)):
        where = "asks for a key" if settings.require_key else f"can be reached from other machines at {settings.host}"
        raise KeysError(
            f"The server {where}, and there is none.",
            remedy="Make one: footnote keys add NAME. Or listen on 127.0.0.1, which needs none.",
        )


class _Server(uvicorn.Server):
    """Says where it listens, and how to ask, once it does."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override] # wider than needed
        await super().startup(sockets)  # type: ignore[arg-type] # as above
        if self.started and not self.should_exit:
            port = self.servers[0].sockets[0].getsockname()[1] if self.servers else self.config.port
            url = f"http://{self.config.host}:{port}"
            body = json.dumps({"question": "How many wounded soldiers were sent to North Korea?"})
            sys.stdout.write(
                f"Footnote is listening on {url} (page: {url}/, interface: {url}/docs)\n"
                f"curl -s {url}/v1/ask -H 'Content-Type: application/json' -d '{body}'\n"
            )
            sys.stdout.flush()
