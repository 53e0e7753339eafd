"""A server in a process of its own, with the fakes for models.

python -m tests.faults.configured_server SOURCE DATA [planted]

Its settings are those of the environment. ``planted`` adds a route that opens whatever path it is given."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fastapi.responses import PlainTextResponse

from api import terminal
from api.app import create_app
from api.compose import Footnote
from api.serving import Server, refuse_without_key, relay_logs
from api.settings import load_settings
from tests.fakes import FakeReader, make_fake_encoder
from tests.faults.processes import Process, launched


def main(source: str, data: str, planted: str = "") -> None:
    os.umask(0o077)
    settings = load_settings(source=Path(source), data=Path(data), encoder="fake", reader=False, port=0)
    terminal.log_to_stderr(settings.log_level)
    refuse_without_key(settings)
    relay_logs()
    footnote = Footnote(settings, encoder=make_fake_encoder, reader=FakeReader, in_child=False)
    app = create_app(footnote)
    if planted:

        @app.get("/planted/{name:path}", include_in_schema=False)
        def read(name: str) -> PlainTextResponse:
            return PlainTextResponse((Path(source) / name).read_text("utf-8"))

    Server(app, settings.host, settings.port).run()


@contextmanager
def configured(
    source: Path,
    data: Path,
    log: Path,
    *,
    before: Sequence[str] = (),
    planted: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """A server over an index that is there, with no settings but those of ``environment``."""
    command = [sys.executable, "-m", "tests.faults.configured_server", str(source), str(data), *(["planted"] * planted)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")}
    with launched(command, log, before=before, environment={**kept, **(environment or {})}) as server:
        yield server


if __name__ == "__main__":
    main(*sys.argv[1:])
