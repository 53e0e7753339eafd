"""A server in a process of its own, with the fakes for models: ``python -m tests.faults.served SOURCE DATA [planted]``.

Its settings are those of the environment. ``planted`` adds a route that opens whatever path it is given."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi.responses import PlainTextResponse

from api import terminal
from api.app import create_app
from api.compose import Footnote
from api.serving import Server, refuse_without_key, relay_logs
from api.settings import load_settings
from tests.fakes import FakeReader, make_fake_encoder

ROOT = Path(__file__).resolve().parents[2]


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


@dataclass
class Served:
    address: str  # host and port
    running: subprocess.Popen[str]
    log: Path  # what it writes to stderr


@contextmanager
def served(
    source: Path,
    data: Path,
    log: Path,
    *,
    before: Sequence[str] = (),
    planted: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """A server over an index that is there, started through the command ``before``."""
    command = [*before, sys.executable, "-m", "tests.faults.served", str(source), str(data), *(["planted"] * planted)]
    chosen = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")}
    with log.open("w", encoding="utf-8") as errors:
        running = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, env={**chosen, **(environment or {})},
            start_new_session=True,
        )  # fmt: skip
        try:
            assert running.stdout is not None
            told = re.search(r"http://([\d.:]+)", running.stdout.readline())
            assert told, log.read_text("utf-8")[-2_000:]
            yield Served(told[1], running, log)
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait(20)
            if running.stdout is not None:
                running.stdout.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
