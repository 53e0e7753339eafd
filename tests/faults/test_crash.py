"""A build killed at any call that writes leaves the old generation or the new, and nothing in the next build's way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.campaign import Campaigns
from tests.faults.scene import Scene, fails
from tests.faults.syscalls import Fault

MakeScene = Callable[[str], Scene]


@pytest.mark.parametrize("how", ["anew", "extended"])
def test_a_build_killed_at_any_call_leaves_the_old_index_or_the_new(
    scenes: MakeScene, campaign: Campaigns, how: str
) -> None:
    scene = scenes(how)
    points = scene.points()
    with campaign("R2", f"the builder is killed at a call that writes ({how})", push=10, release=len(points)) as trials:
        outcomes, killed_at = Counter[str](), Counter[str]()
        for trial in trials:
            kind, number = points[trial]
            scene.set_up()
            ended, watch = scene.run(Fault(number, among=frozenset({kind})))
            is_new = scene.check()
            assert ended.killed or (is_new and watch.struck is None), (trial, watch.struck)
            scene.recover()
            outcomes["new" if is_new else "old"] += 1
            killed_at[kind] += ended.killed
        trials.note("calls of a build", len(points))
        trials.note("killed", killed_at.total())
        trials.note("kinds", len(killed_at))
        trials.note("left the new one", outcomes["new"])
        assert killed_at.total() > 0.9 * trials.done and outcomes["old"]


def test_a_first_build_killed_at_any_call_leaves_nothing_or_everything(scenes: MakeScene, campaign: Campaigns) -> None:
    scene = scenes("first")
    points = scene.points()
    with campaign("R2", "the builder is killed at a call that writes (first)", push=6, release=len(points)) as trials:
        killed = 0
        for trial in trials:
            kind, number = points[trial]
            scene.set_up()
            ended, _ = scene.run(Fault(number, among=frozenset({kind})))
            killed += ended.killed
            if scene.data.exists():
                scene.check(named=False)  # it may be in its place, and not yet named
            scene.recover()
        trials.note("calls of a build", len(points))
        trials.note("killed", killed)


def test_publishing_before_a_generation_is_in_its_place_would_be_caught(scenes: MakeScene, campaign: Campaigns) -> None:
    scene = scenes("anew")
    failed, renames = 0, [point for point in scene.points("build_hastily") if point[0].startswith("rename")]
    for kind, number in renames:
        scene.set_up()
        scene.run(Fault(number, among=frozenset({kind})), "build_hastily")
        failed += fails(scene.check)
    campaign.control("R2", "CURRENT is replaced before the generation is in its place", failed=failed, of=len(renames))
