"""More questions than can be answered: as many as ever are answered, the rest is told so at once, and the probe lives.

On a push an answer takes 50 ms of waiting, so that what a server can do is known and the load costs little. For a
release half of the trials compute over ten thousand documents instead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.campaign import Campaigns
from tests.faults.clients import Crowd, Reply, ms, open_loop, quantile
from tests.faults.processes import Process
from tests.faults.servers import Town, make_town, serving

pytestmark = pytest.mark.alone
_TAKES_S = 0.05
_LATE_S = 6.0  # nobody waits longer for an answer
_HUNG_S = 60.0  # nor, on a push, on however busy a machine
_WAITING = 32
_ONE = ("127.0.0.1",)
_MANY = tuple(f"127.0.1.{number}" for number in range(1, 41))  # all of them this machine
_KINDS = ((4, _ONE), (10, _MANY), (4, _MANY), (10, _ONE))


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a trial."""

    replies: list[Reply]
    probes: list[Reply]
    seconds: float

    @property
    def answered(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status == 200]

    @property
    def refused(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status in (429, 503)]

    @property
    def goodput(self) -> float:
        """Answers a second, until the last of them was given."""
        return len(self.answered) / max(self.seconds, *(0.0, *(reply.seconds for reply in self.answered)))

    def faults(self) -> list[str]:
        """What should not have happened."""
        found = [reply.brief() for reply in self.replies if not _in_order(reply)]
        found += [f"/livez: {probe.brief()}" for probe in self.probes if probe.status != 200]
        return (
            found
            + ([] if self.answered else ["nobody was answered"])
            + ([] if self.refused else ["nobody was refused"])
        )


def _in_order(reply: Reply) -> bool:
    if not reply.whole:
        return False
    refused = reply.status in (429, 503) and int(reply.headers.get("retry-after", "0")) > 0
    return reply.status == 200 or (refused and reply.json()["status"] == reply.status)


def capacity(server: Process, takes_s: float, answers: int) -> tuple[float, float]:
    """Answers a second, and their p99 in seconds, with as many clients as are let in at a time."""
    with Crowd(server.port, _WAITING, takes_s) as crowd:
        crowd.wait_for(_WAITING)
        crowd.taken()
        begun = asyncio.run(_now())
        crowd.wait_for(answers)
        took = asyncio.run(_now()) - begun
        replies = crowd.taken()
    assert all(reply.status == 200 for reply in replies)
    return len(replies) / took, quantile([reply.seconds for reply in replies], 0.99)


async def _now() -> float:
    return asyncio.get_running_loop().time()


def loaded(
    server: Process, rate: float, seconds: float, takes_s: float, sources: tuple[str, ...], late_s: float = _LATE_S
) -> Load:
    with Crowd(server.port, 0) as probing:
        replies = asyncio.run(open_loop(server.port, rate, seconds, takes_s=takes_s, sources=sources, timeout_s=late_s))
    return Load(replies, probing.probes, seconds)


def test_who_cannot_be_answered_is_told_so_and_the_others_are_answered(
    campaign: Campaigns, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with campaign("L3", "four and ten times the questions that can be answered", push=2, release=80) as trials:
        release = trials.plan.share_s is not None
        town: Town = request.getfixturevalue("large_town") if release else make_town(tmp_path, 50)
        seconds, late_s = (6.0, _LATE_S) if release else (1.5, _HUNG_S)
        kept: list[float] = []
        slower: list[float] = []
        loads: list[Load] = []
        with serving(town, max_waiting=_WAITING, max_concurrent_per_key=_WAITING) as server:
            for trial in trials:
                times, sources = _KINDS[trial % len(_KINDS)]
                takes_s = 0.0 if release and trial // len(_KINDS) % 2 else _TAKES_S
                able, usual_s = capacity(server, takes_s, 200 if release else 60)
                rate = min(times * able, 1500)
                load = loaded(server, rate, max(seconds, 3 * _WAITING / rate), takes_s, sources, late_s)
                assert not load.faults(), f"trial {trial}: {load.faults()[:3]}"
                loads.append(load)
                kept.append(load.goodput / able)
                slower.append(quantile([reply.seconds for reply in load.answered], 0.99) / usual_s)
        trials.note("answers a second ÷ at capacity, p50 and least", f"{quantile(kept, 0.5):.2f} and {min(kept):.2f}")
        trials.note("p99 of answers ÷ at capacity, p50 and most", f"{quantile(slower, 0.5):.2f} and {max(slower):.2f}")
        refused = [reply.seconds for load in loads for reply in load.refused]
        trials.note("refused", len(refused))
        trials.note("p99 of refusals, ms", ms(quantile(refused, 0.99)))
        probed = [probe.seconds for load in loads for probe in load.probes]
        trials.note("p99 of /livez (L4), ms", ms(quantile(probed, 0.99)))


def test_a_server_that_lets_everyone_wait_is_seen_to_keep_them_waiting(campaign: Campaigns, tmp_path: Path) -> None:
    town = make_town(tmp_path, 50)
    with serving(town, max_waiting=1_000_000, max_concurrent_per_key=0) as server:
        load = loaded(server, 400, 1.5, _TAKES_S, _MANY)
    campaign.control("L3", "nobody is refused", failed=len(load.faults()), of=len(load.replies))
