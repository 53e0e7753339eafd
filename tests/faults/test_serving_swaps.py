"""Questions while generation follows upon generation: whole answers, each of one of them, and nothing left behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults.campaign import Campaigns
from tests.faults.clients import Crowd, Reply, exchange, fault_of, ms, quantile
from tests.faults.processes import Process
from tests.faults.servers import Town, make_town, serving

pytestmark = pytest.mark.alone
_PUSH_DOCUMENTS = 150


@pytest.fixture
def town(campaign: Campaigns, tmp_path: Path, request: pytest.FixtureRequest) -> Town:
    """Documents to change: 150, for a release ten thousand."""
    if campaign.plan.share_s is None:
        return make_town(tmp_path, _PUSH_DOCUMENTS)
    large: Town = request.getfixturevalue("large_town")
    return large.copy(tmp_path)


def faults(replies: list[Reply], town: Town) -> list[str]:
    return [fault for fault in (fault_of(reply, town) for reply in replies) if fault]


def test_no_answer_is_of_two_generations_and_none_is_lost(campaign: Campaigns, town: Town) -> None:
    with campaign("L1", "the index is rebuilt again and again while clients ask", push=3, release=200) as trials:
        clients = 8 if trials.plan.share_s is None else 32
        answers, seen = 0, set()
        with serving(town) as server, Crowd(server.port, clients, seconds=0.01) as crowd:
            for trial in trials:
                town.paint(trial + 1)
                live = town.publish()
                crowd.wait_for(clients * 2)
                replies = crowd.taken()
                assert not faults(replies, town), f"swap {trial}: {faults(replies, town)[:2]}"
                seen |= {reply.headers["footnote-generation"] for reply in replies}
                answers += len(replies)
                assert live in seen, f"swap {trial}: {live} was not taken up"
        rest = crowd.taken()
        assert not faults(rest, town)
        assert all(probe.status == 200 for probe in crowd.probes), "a probe failed"
        trials.note("clients", clients)
        trials.note("answers", answers + len(rest))


def test_an_answer_that_is_not_pinned_is_seen_to_be_mixed(campaign: Campaigns, tmp_path: Path) -> None:
    town = make_town(tmp_path, _PUSH_DOCUMENTS)
    with serving(town, variant="unpinned") as server, Crowd(server.port, 6, seconds=0.2) as crowd:
        for time_ in range(3):
            town.paint(time_ + 1)
            town.publish()
            crowd.wait_for(6)
    replies = crowd.taken()
    campaign.control("L1", "an answer's generation is not pinned", failed=len(faults(replies, town)), of=len(replies))


def test_what_a_rebuild_costs_those_who_ask(campaign: Campaigns, town: Town) -> None:
    """Measured for the record, not held: seconds depend on the machine. Held is that nobody is refused."""
    with campaign("L2", "latency with a rebuild running in its process, and without", push=1, release=10) as trials:
        idle: list[Reply] = []
        busy: list[Reply] = []
        swaps: list[float] = []
        with serving(town) as server:
            for trial in trials:
                with Crowd(server.port, 2) as crowd:
                    crowd.wait_for(40)
                    before = len(crowd.probes)
                    idle += crowd.taken()
                    town.paint(trial + 1)
                    took = rebuilt(server)
                    crowd.wait_for(10)
                    probes = crowd.probes[before:]
                town.note()
                busy += crowd.taken()
                swaps.append(took)
                assert all(probe.status == 200 for probe in probes), f"trial {trial}: a probe failed"
                assert all(reply.status == 200 and reply.whole for reply in (*idle, *busy)), f"trial {trial}"
            trials.note("peak memory ÷ memory", round(server.peak_kib() / server.memory_kib(), 2))
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            a, b = (quantile([reply.seconds for reply in some], share) for some in (busy, idle))
            trials.note(f"{name} ÷ idle", round(a / b, 2))
        trials.note("p99 of /livez, ms", ms(quantile([probe.seconds for probe in probes], 0.99)))
        trials.note("rebuild, s", round(quantile(swaps, 0.5), 1))


def rebuilt(server: Process) -> float:
    """Seconds of a rebuild that the server was asked for."""

    async def ask() -> float:
        begun = time.monotonic()
        job = (await exchange(server.port, "/v1/index/rebuild", {})).json()
        while job["state"] == "running":
            assert time.monotonic() - begun < 240, f"the rebuild does not end: {job}"
            await asyncio.sleep(0.1)
            job = (await exchange(server.port, f"/v1/index/jobs/{job['job_id']}")).json()
        assert job["report"]["published"], job
        return time.monotonic() - begun

    return asyncio.run(ask())


# -- over time ---------------------------------------------------------------------------------------------------------


def test_swap_after_swap_nothing_is_left_behind(campaign: Campaigns, town: Town) -> None:
    with campaign("L8", "a server lives on through rebuilds, asked all the while", push=12, release=4000) as trials:
        with serving(town) as server:
            warm_up(server, town)
            files, memory, begun = server.files(), [server.memory_kib()], time.monotonic()
            answers = 0
            for trial in trials:
                answers += len(lived_through(server, town, trial + 10))
                memory.append(server.memory_kib())
                if trial % 4 == 3:
                    at_rest(server, files, f"after swap {trial}")
            assert not server.said(), server.said()
            hours = (time.monotonic() - begun) / 3600
        half = memory[len(memory) // 2 :]
        growth = half[-1] / half[0] - 1
        assert growth < 0.1, f"memory grows by {growth:.0%} in half the time: {memory}"
        trials.note("answers", answers)
        trials.note("memory at the start and at the end, MiB", f"{memory[0] // 1024} and {memory[-1] // 1024}")
        trials.note("growth in the second half, % an hour", round(100 * growth / (hours / 2), 1))


def warm_up(server: Process, town: Town) -> None:
    for time_ in range(3):  # until as many generations were loaded as are kept
        lived_through(server, town, time_ + 1)


def lived_through(server: Process, town: Town, time_: int) -> list[Reply]:
    """One build with a few questions on its way; the answers, all sound."""
    town.paint(time_)
    with Crowd(server.port, 2) as crowd:
        crowd.wait_for(4)
        town.publish()
        crowd.wait_for(8)
    replies = crowd.taken()
    assert not faults(replies, town), f"build {time_}: {faults(replies, town)[:2]}"
    return replies


def at_rest(server: Process, files: int, when: str) -> None:
    deadline = time.monotonic() + 20
    while server.files() > files:  # connections take a moment to be closed
        assert time.monotonic() < deadline, f"{when}: {server.files()} files are open, {files} were"
        time.sleep(0.02)


def test_a_server_that_keeps_what_it_read_is_seen_to_grow(campaign: Campaigns, tmp_path: Path) -> None:
    town = make_town(tmp_path, _PUSH_DOCUMENTS)
    with serving(town, variant="hoarding") as server:
        warm_up(server, town)
        files = server.files()
        lived_through(server, town, 10)
        campaign.control("L8", "generations are never let go", failed=int(server.files() > files + 2), of=1)


# -- two servers -------------------------------------------------------------------------------------------------------


def test_two_servers_over_one_index_both_take_up_what_is_published(campaign: Campaigns, tmp_path: Path) -> None:
    with campaign("L11", "two servers over one data folder, published anew", push=6, release=200) as trials:
        town = make_town(tmp_path, _PUSH_DOCUMENTS)
        took: list[float] = []
        with serving(town) as one, serving(town) as other:
            for trial in trials:
                town.paint(trial + 1)
                live = town.publish()
                begun = time.monotonic()
                for server in (one, other):
                    named = generations(server, live)
                    assert named == sorted(named), f"publish {trial}: a server went back, {named}"
                    assert named[-1] == live, f"publish {trial}: {named[-1]} is served and {live} is live"
                took.append(time.monotonic() - begun)
        trials.note("both on the new one after, ms, p50 and most", f"{ms(quantile(took, 0.5))} and {ms(max(took))}")


def generations(server: Process, until: str, patience_s: float = 20) -> list[str]:
    """What answers name, one after another, until one names ``until`` or patience ends."""

    async def ask() -> list[str]:
        deadline = time.monotonic() + patience_s
        named: list[str] = []
        while not named or (named[-1] != until and time.monotonic() < deadline):
            reply = await exchange(server.port, "/v1/ask", {"question": "When was the harbour gate painted?"})
            assert reply.status == 200 and reply.whole, reply.brief()
            named.append(reply.headers["footnote-generation"])
        return named

    return asyncio.run(ask())


def test_a_server_that_does_not_look_is_seen_to_stay_behind(campaign: Campaigns, tmp_path: Path) -> None:
    town = make_town(tmp_path, 20)
    with serving(town, variant="unaware") as server:
        town.paint(1)
        live = town.publish()
        named = generations(server, live, patience_s=1)
    campaign.control("L11", "CURRENT is looked at once only", failed=int(named[-1] != live), of=1)
