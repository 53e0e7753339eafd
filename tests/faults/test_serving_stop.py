"""A server is told to stop while it is asked: whoever was being answered gets the whole of it, and the process ends."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.campaign import Campaigns
from tests.faults.clients import Crowd, Reply, exchange, ms, quantile
from tests.faults.processes import Process
from tests.faults.servers import Town, make_town, serving

pytestmark = pytest.mark.alone
_GRACE_S = 4.0  # of which a second and a bit is left to answers


@dataclass(frozen=True, slots=True)
class Stop:
    """What came of a stop."""

    replies: list[Reply]  # of those who asked meanwhile
    at: float  # by time.monotonic()
    unready_s: float  # from then until it said that it was not ready
    gone_s: float  # and until it was gone

    def faults(self) -> list[str]:
        """Answers that were cut, streams that did not end, and failures other than that it stops."""
        return [reply.brief() for reply in self.replies if not self._ended_well(reply)]

    def _ended_well(self, reply: Reply) -> bool:
        if reply.status == 0:  # it had gone, or went without reading what was sent to it while it was leaving
            closed = reply.error in ("ConnectionResetError", "no response")  # what had not been accepted, and what had
            late = closed and reply.begun >= self.at
            return reply.body == b"" and (reply.error == "ConnectionRefusedError" or late)
        if not reply.whole or reply.status not in (200, 503):
            return False
        if reply.status == 503:
            return bool(reply.json()["title"] == "The server is stopping")
        if reply.asked["stream"]:
            return reply.events()[-1][0] in ("done", "error")
        return bool(reply.json()["answer_id"])


def stopped(server: Process, seconds: float, chance: random.Random) -> Stop:
    """A stop while six ask for what takes so long."""
    with Crowd(server.port, 6, seconds, timeout_s=40) as crowd:
        if seconds < 1:
            crowd.wait_for(6)
        else:
            time.sleep(0.3)
        time.sleep(chance.uniform(0, 0.1))
        at = time.monotonic()
        server.stop()
        unready_s = asyncio.run(_until_unready(server.port, at))
        assert server.status() == 0, "it did not leave in order"
        gone_s = time.monotonic() - at
    return Stop(crowd.taken(), at, unready_s, gone_s)


async def _until_unready(port: int, begun: float) -> float:
    while (await exchange(port, "/readyz")).status == 200:
        assert time.monotonic() - begun < 30, "it goes on saying that it is ready"
    return time.monotonic() - begun


def test_a_stop_cuts_nobody_short(campaign: Campaigns, tmp_path: Path) -> None:
    with campaign("L5", "SIGTERM while clients ask, some for what takes a minute", push=3, release=100) as trials:
        town = make_town(tmp_path, 50)
        stops: list[Stop] = []
        for trial in trials:
            chance = random.Random(5_000 + trial)
            with serving(town, grace_s=_GRACE_S) as server:
                takes_s = 60.0 if trial % 3 == 2 else chance.choice([0.0, 0.01, 0.2])
                stop = stopped(server, takes_s, chance)
            assert not stop.faults(), f"trial {trial}: {stop.faults()[:3]}"
            assert any(reply.status for reply in stop.replies), f"trial {trial}: nobody was answered"
            stops.append(stop)
        gone = [stop.gone_s for stop in stops]
        trials.note("/readyz 503 after, ms, p99", ms(quantile([stop.unready_s for stop in stops], 0.99)))
        trials.note(
            "gone after, s, p50 and most", f"{quantile(gone, 0.5):.1f} and {max(gone):.1f} (grace {_GRACE_S:g})"
        )


# -- null controls -----------------------------------------------------------------------------------------------------


def stopped_without(town: Town, variant: str) -> Stop:
    """The first of a few stops that cut somebody short: on a busy machine all may be answered before the signal."""
    for _ in range(5):
        with serving(town, variant=variant) as server, Crowd(server.port, 6, 0.5, timeout_s=20) as crowd:
            crowd.wait_for(8)
            at = time.monotonic()
            server.stop()
            assert server.status() == 0
            gone_s = time.monotonic() - at
        stop = Stop(crowd.taken(), at, gone_s, gone_s)
        if stop.faults():
            break
    return stop


def test_a_server_that_just_leaves_is_seen_to_cut_them_short(campaign: Campaigns, tmp_path: Path) -> None:
    stop = stopped_without(make_town(tmp_path, 20), "abrupt")
    campaign.control("L5", "it leaves at the signal", failed=len(stop.faults()), of=len(stop.replies))


def test_a_server_that_drops_what_it_has_not_begun_to_answer_is_seen_to(campaign: Campaigns, tmp_path: Path) -> None:
    """Plain questions come to nothing, without a byte; streams are finished."""
    stop = stopped_without(make_town(tmp_path, 20), "dropping")
    campaign.control("L5", "plain questions are dropped", failed=len(stop.faults()), of=len(stop.replies))
