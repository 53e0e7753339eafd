"""A server is told to stop while it is asked: whoever was being answered gets the whole of it, and the process ends."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest

from tests.faults.campaign import Campaigns
from tests.faults.clients import Crowd, Reply, exchange, ms, quantile
from tests.faults.servers import Process, Town, make_town, serving

pytestmark = pytest.mark.alone
_GRACE_S = 4.0  # of which a second and a bit is left to answers


def stopped(server: Process, seconds: float, chance: random.Random) -> tuple[list[Reply], float, float]:
    """The replies of those who asked meanwhile, seconds until it said it was not ready, and until it was gone."""
    with Crowd(server.port, 6, seconds, timeout_s=40) as crowd:
        if seconds < 1:
            crowd.wait_for(6)
        else:
            time.sleep(0.3)
        time.sleep(chance.uniform(0, 0.1))
        begun = time.monotonic()
        server.stop()
        unready_s = asyncio.run(_until_unready(server.port, begun))
        assert server.status() == 0, "it did not leave in order"
        gone_s = time.monotonic() - begun
    return crowd.taken(), unready_s, gone_s


async def _until_unready(port: int, begun: float) -> float:
    while (await exchange(port, "/readyz")).status == 200:
        assert time.monotonic() - begun < 30, "it goes on saying that it is ready"
    return time.monotonic() - begun


def faults(replies: list[Reply]) -> list[str]:
    """Answers that were cut, streams that did not end, and failures other than that it stops."""
    return [reply.brief() for reply in replies if not _ended_well(reply)]


def _ended_well(reply: Reply) -> bool:
    if reply.status == 0:  # it had gone, and read nothing
        return reply.body == b""
    if not reply.whole or reply.status not in (200, 503):
        return False
    if reply.status == 503:
        return bool(reply.json()["title"] == "The server is stopping")
    if reply.asked["stream"]:
        return reply.events()[-1][0] in ("done", "error")
    return bool(reply.json()["answer_id"])


def test_a_stop_cuts_nobody_short(campaign: Campaigns, tmp_path: Path) -> None:
    with campaign("L5", "SIGTERM while clients ask, some for what takes a minute", push=3, release=100) as trials:
        town = make_town(tmp_path, 50)
        unready: list[float] = []
        gone: list[float] = []
        for trial in trials:
            chance = random.Random(5_000 + trial)
            with serving(town, grace_s=_GRACE_S) as server:
                takes_s = 60.0 if trial % 3 == 2 else chance.choice([0.0, 0.01, 0.2])
                replies, unready_s, gone_s = stopped(server, takes_s, chance)
            assert not faults(replies), f"trial {trial}: {faults(replies)[:3]}"
            assert any(reply.status for reply in replies), f"trial {trial}: nobody was answered"
            unready.append(unready_s)
            gone.append(gone_s)
        trials.note("/readyz 503 after, ms, p99", ms(quantile(unready, 0.99)))
        trials.note(
            "gone after, s, p50 and most", f"{quantile(gone, 0.5):.1f} and {max(gone):.1f} (grace {_GRACE_S:g})"
        )


def test_a_server_that_just_leaves_is_seen_to_cut_them_short(campaign: Campaigns, tmp_path: Path) -> None:
    town: Town = make_town(tmp_path, 20)
    with serving(town, variant="abrupt") as server, Crowd(server.port, 6, 0.2, timeout_s=20) as crowd:
        crowd.wait_for(8)
        server.stop()
        assert server.status() == 0
    replies = crowd.taken()
    campaign.control("L5", "it leaves at the signal", failed=len(faults(replies)), of=len(replies))
