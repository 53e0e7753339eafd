"""Clients that go away, and clients that dawdle: neither holds anything for long, nor holds up the others."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Campaigns
from tests.faults.clients import Crowd, exchange, ms, quantile, question, request
from tests.faults.processes import Process
from tests.faults.servers import Town, make_town, serving

pytestmark = pytest.mark.alone
_TAKES_S = 0.05
_LONG = 6_000_000  # characters; up to 4 MiB wait in the kernel for one who does not read (tcp_wmem)
_READERS = 100  # at most; the server keeps for each what it did not read
_OTHERS = 4  # connections of those who do not dawdle
_ADDRESSES = 40  # of dawdlers: what one address may have under way is bounded, and they are to get that far
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset

# -- who goes away -----------------------------------------------------------------------------------------------------


def ask_and_go(server: Process, times: int, *, stream: bool, chance: random.Random) -> None:
    """So many questions, twenty at a time, whose askers leave at some moment, half of them without a word."""
    for _ in range(0, times, 20):
        sockets = []
        for number in range(20):
            sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            sock.sendall(request("/v1/ask", {**question(number, _TAKES_S), "stream": stream}))
            sockets.append(sock)
        time.sleep(chance.uniform(0, 0.15))
        for sock in sockets:
            if chance.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()


def at_rest(server: Process, files: int, threads: int, patience_s: float) -> bool:
    """Whether the server comes to hold no more than so many files and threads."""
    deadline = time.monotonic() + patience_s
    while server.files() > files or server.threads() > threads:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def counted(server: Process) -> dict[str, int]:
    """Requests to /v1/ask by status."""
    text = asyncio.run(exchange(server.port, "/metrics")).body.decode()
    found = re.findall(r'requests_total\{route="/v1/ask",status="(\d+)"\} (\S+)', text)
    return {status: int(float(number)) for status, number in found}


def answered_in(server: Process) -> float:
    reply = asyncio.run(exchange(server.port, "/v1/ask", question(1)))
    assert reply.status == 200 and reply.whole, reply.brief()
    return reply.seconds


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_who_goes_away_leaves_nothing_behind(campaign: Campaigns, tmp_path: Path, stream: bool) -> None:
    what = f"clients go away before their {'stream' if stream else 'answer'} has ended"
    with campaign("L6", what, push=3, release=50) as trials:  # of twenty each
        town = make_town(tmp_path, 50)
        with serving(town, max_concurrent_per_key=0) as server:
            ask_and_go(server, 60, stream=stream, chance=random.Random(6))
            answered_in(server)
            time.sleep(0.3)
            files, threads, memory = server.files(), server.threads(), server.memory_kib()
            freed = []
            for trial in trials:
                ask_and_go(server, 20, stream=stream, chance=random.Random(6_000 + trial))
                freed.append(answered_in(server))
                assert at_rest(server, files, threads, 20), (
                    f"trial {trial}: {server.files()} files, {server.threads()} threads; {files} and {threads} before"
                )
            grown = server.memory_kib() / memory - 1
            if trials.done >= 50:  # before, it is caches that fill
                assert grown < 0.1, f"memory grew by {grown:.0%}"
            assert not server.said(), server.said()
            if not stream:
                assert counted(server).get("499", 0) > 0, "nobody was seen to go"
        trials.note("clients", trials.done * 20)
        trials.note("the next is answered after, ms, p50 and most", f"{ms(quantile(freed, 0.5))} and {ms(max(freed))}")
        trials.note("memory grew by, %", round(100 * grown, 1))


def test_a_server_that_forgets_to_let_go_is_seen_to(campaign: Campaigns, tmp_path: Path) -> None:
    town = make_town(tmp_path, 20)
    with serving(town, variant="hoarding", max_concurrent_per_key=0) as server:
        answered_in(server)
        files, threads = server.files(), server.threads()
        ask_and_go(server, 20, stream=True, chance=random.Random(6))
        held = not at_rest(server, files, threads + 8, patience_s=1)
    campaign.control("L6", "what an answer came from is kept", failed=int(held), of=1)


# -- who dawdles -------------------------------------------------------------------------------------------------------


class Dawdlers:
    """Connections that say too little, too late, or take too little in."""

    def __init__(self, server: Process, each: int, long: str) -> None:
        head = b"POST /v1/ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        self._drip = head + b"X: " + b"x" * 4000
        self.silent, self.heads, self.bodies, self.readers = (
            [self._connect(server, number) for number in range(many)]
            for many in (each, each, each, min(each, _READERS))
        )
        for sock in self.bodies:
            sock.sendall(head + b"Content-Length: 9000\r\n\r\n")
        for sock in self.readers:
            with contextlib.suppress(BlockingIOError):
                sock.send(f"GET /v1/documents/{long}/text HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self._at = 0
        self.begun = time.monotonic()

    def _connect(self, server: Process, number: int) -> socket.socket:
        sock = socket.socket()
        sock.bind((f"127.0.2.{number % _ADDRESSES + 1}", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", server.port))
        sock.setblocking(False)
        return sock

    def dawdle(self) -> None:
        """Another byte of each head and body."""
        for sock in (*self.heads, *self.bodies):
            with contextlib.suppress(OSError):
                sock.send(self._drip[self._at : self._at + 1])
        self._at += 1

    def read_whole(self) -> int:
        """How many of those who read nothing until now find all of the text."""
        return sum(_received(sock) >= _LONG for sock in self.readers)

    def close(self) -> None:
        for sock in (*self.silent, *self.heads, *self.bodies, *self.readers):
            sock.close()


def _received(sock: socket.socket) -> int:
    sock.settimeout(5)
    received = 0
    with contextlib.suppress(OSError):
        while piece := sock.recv(1 << 20):
            received += len(piece)
    return received


def town_with_a_long_text(where: Path) -> tuple[Town, str]:
    """And the id of its document, which is more than what waits on the way to one who does not read."""
    town = make_town(where, 50)
    sentence = f"{' '.join(['w' * 400] * 20)}.\n\n"
    (town.source / "long.txt").write_text(sentence * (_LONG // len(sentence) + 1))
    live = town.publish()
    return town, next(key for key, text in town.texts[live].items() if len(text) >= _LONG)


@contextlib.contextmanager
def dawdling(server: Process, each: int, long: str) -> Iterator[Dawdlers]:
    made = Dawdlers(server, each, long)
    try:
        yield made
    finally:
        made.close()


def held(server: Process, files: int) -> int:
    """Connections that the server has open, when it had ``files`` open without any. Only it knows: of a client that
    reads nothing, the kernel does not tell it that it was cut off."""
    return max(0, server.files() - files)


def until(done: Callable[[], bool], meanwhile: Callable[[], None], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > deadline:
            return False
        meanwhile()
        time.sleep(0.05)
    return True


def test_who_dawdles_is_cut_off_and_holds_up_nobody(campaign: Campaigns, tmp_path: Path) -> None:
    with campaign("L7", "silent clients, slow heads, slow bodies and slow readers", push=1, release=20) as trials:
        release = trials.plan.share_s is not None
        each, patience_s = (500, 5.0) if release else (30, 1.0)
        town, long = town_with_a_long_text(tmp_path)
        with serving(town, patience_s=patience_s) as server:
            with Crowd(server.port, 2) as usual:
                usual.wait_for(40)
            files = server.files() + 4
            slower: list[float] = []
            cut: list[float] = []
            for trial in trials:
                with Crowd(server.port, 2) as crowd, dawdling(server, each, long) as dawdlers:
                    crowd.wait_for(20)
                    all_cut = until(lambda: held(server, files) <= _OTHERS, dawdlers.dawdle, patience_s + 40)
                    assert all_cut, f"trial {trial}: {held(server, files)} are not cut off"
                    cut.append(time.monotonic() - dawdlers.begun)
                    assert not dawdlers.read_whole(), f"trial {trial}: who did not read was kept waiting for"
                faults = [reply.brief() for reply in (*crowd.replies, *crowd.probes) if reply.status != 200]
                assert not faults, f"trial {trial}: {faults[:3]}"
                slower.append(_p99(crowd) / _p99(usual))
                assert at_rest(server, files, 1_000, 20), f"trial {trial}: {server.files()} files, {files} before"
        trials.note("dawdlers", 3 * each + min(each, _READERS))
        trials.note("patience, s", patience_s)
        trials.note("all cut off after, s, most", round(max(cut), 1))
        trials.note("p99 of the others ÷ usual, p50 and most", f"{quantile(slower, 0.5):.2f} and {max(slower):.2f}")


def _p99(crowd: Crowd) -> float:
    return quantile([reply.seconds for reply in crowd.replies], 0.99)


def test_a_patient_server_is_seen_not_to_cut_them_off(campaign: Campaigns, tmp_path: Path) -> None:
    town, long = town_with_a_long_text(tmp_path)
    with serving(town, patience_s=10_000) as server:
        files = server.files()
        with dawdling(server, 5, long) as dawdlers:
            until(lambda: False, dawdlers.dawdle, 2)
            kept = held(server, files)
            assert dawdlers.read_whole() == 5
        campaign.control("L7", "patience has no end", failed=kept, of=20)
