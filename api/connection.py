"""A client's connection, with an end to patience: uvicorn's, which waits for ever, and tells errors in plain text."""

from __future__ import annotations

import asyncio
import json
import sys
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api import problems

HEAD_S = 15.0
"""The head of a request must have arrived this long after the connection was made, or the last response ended."""
READ_S = 12.0
"""A client that reads nothing this long of what is sent to it is cut off, at most a quarter later."""
_LOOKS = 4


class Connection(H11Protocol):
    """Closes when a request's head does not come, or nobody reads; a head that cannot be read is a problem."""

    head_s = HEAD_S
    read_s = READ_S
    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:  # a request is being answered
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._await_head()  # also cuts off a body that goes on arriving after its response
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._await_reader()

    def _await_reader(self, before: int = -1, quiet: int = 0) -> None:
        """Cut the client off when it has read nothing at so many looks; there were ``before`` bytes for it at the last.

        A large response may take long to read, and then writing is paused all the while."""
        left = self.transport.get_write_buffer_size()
        quiet = quiet + 1 if left >= before >= 0 else 0
        if quiet == _LOOKS:
            self.transport.abort()
            return
        self._unread = self.loop.call_later(self.read_s / _LOOKS, self._await_reader, left, quiet)

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer a head that is no HTTP (400) or too large (431)."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # another answer has begun
            self.transport.close()
            return
        status = HTTPStatus(getattr(sys.exc_info()[1], "error_status_hint", 400))
        body = json.dumps(problems.problem(status, status.phrase, msg)).encode()
        headers = [
            ("content-type", problems.MEDIA_TYPE),
            ("content-length", str(len(body))),
            ("x-content-type-options", "nosniff"),
            ("connection", "close"),
        ]
        response = h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _await_head(self) -> None:
        self._stop_waiting()
        self._head = self.loop.call_later(self.head_s, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
