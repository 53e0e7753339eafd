"""Faults on top of faults: what tidies up after one is killed, or refused, as well."""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Callable

from tests.faults.campaign import Campaigns
from tests.faults.scene import Scene, in_leaps, state_of, stray, with_old_generations
from tests.faults.syscalls import Fault

MakeScene = Callable[[str], Scene]
_WAYS = (0, errno.ENOSPC, errno.EIO)  # killed, or a disk that fails from there on


def any_fault(chance: random.Random, calls: int) -> Fault:
    return Fault(chance.randrange(calls), chance.choice(_WAYS), forever=True)


def test_a_build_that_is_struck_while_it_recovers_from_another(scenes: MakeScene, campaign: Campaigns) -> None:
    scene = scenes("anew")
    calls = len(scene.points())
    with campaign("R5", "the builder is struck, and so is the one that follows, twice", push=6, release=200) as trials:
        struck = Counter[int]()
        for trial in trials:
            chance = random.Random(50_000 + trial)
            scene.set_up()
            for time in range(3):
                ended, watch = scene.run(any_fault(chance, calls))
                assert ended.killed or ended.error or scene.check(), (trial, time, ended)
                scene.check()
                struck[time] += watch.struck is not None
            scene.recover()
        trials.note("struck", "/".join(str(struck[time]) for time in range(3)))
        assert struck[1] > trials.done / 2


def test_a_clean_up_that_is_struck_leaves_whole_generations_and_is_done_by_the_next(
    scenes: MakeScene, campaign: Campaigns
) -> None:
    scene = scenes("anew")
    with_old_generations(scene)
    calls = len(scene.points("gc"))
    points = [(at, error) for at in in_leaps(calls) for error in _WAYS]
    with campaign("R5", "garbage collection is struck", push=9, release=len(points)) as trials:
        for trial in trials:
            at, error = points[trial]
            scene.set_up()
            ended, watch = scene.run(Fault(at, error), "gc")
            left = stray(scene.data)  # and every generation that is listed is whole
            assert watch.struck is not None and (ended.killed or ended.error or not left), (trial, str(watch.struck))
            assert state_of(scene.data) == scene.before
            scene.recover("gc")
            assert scene.run()[0].published and state_of(scene.data) == scene.after
        trials.note("calls of a collection", calls)


def test_leftovers_that_nobody_sweeps_away_would_be_caught(scenes: MakeScene, campaign: Campaigns) -> None:
    scene = scenes("anew")
    calls, failed = len(scene.points()), 0
    for trial in range(4):
        scene.set_up()
        scene.run(Fault(random.Random(trial).randrange(calls // 4, calls // 2)))
        scene.run(what="build_among_leftovers")
        failed += bool(stray(scene.data))
    campaign.control("R5", "what an interrupted build leaves is not swept away", failed=failed, of=4)
