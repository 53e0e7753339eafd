"""A server in a process of its own, whose answers take as long as the question says: ``"without": ["2.5 s"]``.

python -m tests.api.slow_server SOURCE DATA GRACE_S"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from api import terminal
from api.compose import Footnote
from api.serving import run
from api.settings import Settings
from rag.types import Event, PassagesFound, Question
from tests.fakes import FakeEncoder

_SECONDS = re.compile(r"([\d.]+) s$")


class Slow(Footnote):
    def ask(self, question: Question) -> Iterator[Event]:
        told = _SECONDS.match(" ".join(question.without))
        for event in super().ask(question):
            yield event
            if isinstance(event, PassagesFound):
                time.sleep(float(told[1]) if told else 0.0)


def main(source: str, data: str, grace_s: str) -> None:
    terminal.log_to_stderr("info")
    encoder = FakeEncoder()
    settings = Settings(source=Path(source), data=Path(data), encoder=encoder.name, reader=False, port=0)
    run(Slow(settings, encoder=lambda: encoder, in_child=False), update=False, grace_s=float(grace_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
