"""A server in a process of its own, for campaigns that load it: fake models, and one protection taken out if told.

python -m tests.faults.loaded_server '{"source": ..., "data": ..., "variant": "unpinned", ...}'

``without`` of a question may say how long it takes: ["0.05 s"] sleeps so long after the passages were found."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

from api import serving, terminal
from api.app import create_app
from api.bounds import BODY_S
from api.compose import Footnote
from api.connection import HEAD_S, READ_S, Connection
from api.settings import Settings
from index.live import Library
from rag.types import Event, PassagesFound, Question
from tests.fakes import FakeReader, make_fake_encoder

_SECONDS = re.compile(r"([\d.]+) s$")


class Loaded(Footnote):
    """Answers take as long as their question says."""

    def ask(self, question: Question) -> Iterator[Event]:
        return self._paced(question, super().ask(question))

    def _paced(self, question: Question, events: Iterator[Event]) -> Iterator[Event]:
        told = _SECONDS.match(" ".join(question.without))
        try:
            for event in events:
                yield event
                if isinstance(event, PassagesFound) and told:
                    time.sleep(float(told[1]))
        finally:
            events.close()  # type: ignore[attr-defined] # a generator


# -- with a protection taken out ---------------------------------------------------------------------------------------


class Unpinned(Loaded):
    """The generation of a question is whatever is live each time it is looked at."""

    def ask(self, question: Question) -> Iterator[Event]:
        drifting: Any = _Drifting(self.library)
        return self._paced(question, self.ask_of(drifting, question))


class _Drifting:
    def __init__(self, library: Library) -> None:
        self._library = library

    def __getattr__(self, name: str) -> Any:
        with self._library.pin() as generation:
            return getattr(generation, name)


class Hoarding(Loaded):
    """Lets go of nothing: what an answer came from stays open, and so does a file for each."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(settings, **options)
        self._hoard: list[Any] = []

    def ask(self, question: Question) -> Iterator[Event]:
        kept = super().ask(question)
        next(kept)  # pins, and is never closed
        self._hoard += [kept, os.open(os.devnull, os.O_RDONLY)]
        return super().ask(question)


class Unaware(Loaded):
    """Never looks at CURRENT again."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(settings, **options)
        self.library.refresh()
        self.library.refresh = lambda: None  # type: ignore[method-assign] # what is taken out


class CallingHome(Loaded):
    """Asks another machine whether there is something new, as libraries do."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(settings, **options)
        with suppress(OSError):
            socket.create_connection(("192.0.2.1", 80), timeout=0.1)


class Abrupt(serving.Server):
    """Leaves when it is told to, whatever it is doing."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        os._exit(0)


class Dropping(serving.Server):
    """Leaves in order, but drops whoever has had nothing of an answer yet: all plain questions."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        for connection in self.server_state.connections:
            cycle: Any = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_started:
                cycle.transport.abort()
        super().handle_exit(sig, frame)


SERVERS: dict[str, type[serving.Server]] = {"abrupt": Abrupt, "dropping": Dropping}
VARIANTS: dict[str, type[Loaded]] = {
    "unpinned": Unpinned, "hoarding": Hoarding, "unaware": Unaware, "calling home": CallingHome
}  # fmt: skip


def main(told: dict[str, Any]) -> None:
    terminal.log_to_stderr("error")
    variant = told.pop("variant", "")
    grace_s = told.pop("grace_s", serving.GRACE_S)
    patience = told.pop("patience_s", None)  # for heads, bodies and readers alike
    settings = Settings(**{"encoder": "fake", "port": 0, **told})
    footnote = VARIANTS.get(variant, Loaded)(settings, encoder=make_fake_encoder, reader=FakeReader)
    if variant not in SERVERS and patience is None:
        serving.run(footnote, update=False, grace_s=grace_s)
        return

    class Chosen(Connection):
        head_s = HEAD_S if patience is None else patience
        read_s = READ_S if patience is None else patience

    app = create_app(footnote, BODY_S if patience is None else patience)
    server = SERVERS.get(variant, serving.Server)(app, settings.host, settings.port, grace_s)
    server.config.load()
    server.config.http_protocol_class = Chosen
    server.run()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
