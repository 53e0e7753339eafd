"""Run the server: build what is missing, listen, and end streams in good order."""

from __future__ import annotations

import json
import sys

import uvicorn

from api import terminal
from api.app import create_app
from api.compose import Footnote

_GRACE_S = 10  # uvicorn's own default is to wait for ever, and an open stream then blocks every stop


def run(footnote: Footnote, *, update: bool = True) -> None:
    """Serve until stopped. Without an index one is built first; with one, it is served at once and brought up to date
    in the background."""
    settings = footnote.settings
    if not footnote.has_index():
        with terminal.progress() as progress:
            report = footnote.rebuild(progress)
        terminal.show_report(report, plan=False, as_json=False)
    elif update:
        footnote.jobs.start()
    config = uvicorn.Config(
        create_app(footnote),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # the application logs its requests
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config)
    server.run()
    if not server.started:
        sys.exit(3)  # uvicorn has said why: the port is taken, as a rule


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
