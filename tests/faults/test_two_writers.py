"""Two that write to one data folder: one does, the other is told at once, and the dead hold nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from api.compose import Footnote
from api.settings import Settings
from index.errors import Busy
from tests.fakes import FakeEncoder
from tests.faults.builders import Builders, Running
from tests.faults.campaign import Campaigns
from tests.faults.scene import Scene, make_scene, state_of, stray

_SLOW_S = 0.5  # for each of the fifty steps that a build tells of: it does not end unless it is killed


@pytest.fixture
def scene(builders: Builders, tmp_path: Path) -> Scene:
    """Nothing is watched here, so that this runs anywhere."""
    return make_scene(tmp_path, builders, "anew")


def holder(scene: Scene, what: str = "build", slow_s: float = _SLOW_S) -> Running:
    """A build that has the lock, and takes its time."""
    running = scene.builders.start(scene.source, scene.data, what, slow_s=slow_s)
    deadline = time.monotonic() + 30
    while not list(scene.data.glob("generations/.staging-*")):
        assert time.monotonic() < deadline, "the build does not begin"
        time.sleep(0.002)
    return running


def test_a_second_writer_is_told_at_once_and_a_dead_one_holds_nothing(scene: Scene, campaign: Campaigns) -> None:
    settings = Settings(source=scene.source, data=scene.data, encoder="fake", reader=False)
    with campaign("R13", "a second writer, then the first is killed", push=6, release=50) as trials:
        slowest = 0.0
        for trial in trials:
            scene.set_up()
            first = holder(scene)
            began = time.monotonic()
            second = scene.builders.start(scene.source, scene.data, ("build", "gc")[trial % 2]).wait()
            slowest = max(slowest, time.monotonic() - began)
            assert second.error == "Busy" and "another process" in second.message.lower(), (trial, second)
            server = Footnote(settings, encoder=FakeEncoder, in_child=False)
            with pytest.raises(Busy):
                server.roll_back()
            server.close()
            first.kill()
            assert first.wait().killed
            third = scene.builders.start(scene.source, scene.data).wait()  # the lock is free at once
            assert third.published, (trial, third)
            assert stray(scene.data) == [] and state_of(scene.data) == scene.after
        trials.note("slowest refusal, s", round(slowest, 2))


def test_the_command_line_is_told_with_its_exit_code(scene: Scene) -> None:
    scene.set_up()
    first = holder(scene)
    command = [sys.executable, "-c", "from api.cli import main; main()", "generations", "gc", "--data", str(scene.data)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    first.kill()
    first.wait()
    assert ended.returncode == 3
    assert "Another process is writing" in ended.stderr and "Traceback" not in ended.stderr


def at_once(scene: Scene, what: str = "build", writers: int = 3) -> Counter[str]:
    """How builds end that are started together: "" for those that did what they should."""
    running = [scene.builders.start(scene.source, scene.data, what) for _ in range(writers)]
    return Counter(one.wait().error for one in running)


def test_of_writers_that_start_together_each_builds_or_is_told(scene: Scene, campaign: Campaigns) -> None:
    with campaign(
        "R13", "three builders start at the same instant; every fourth time another is at work", push=8, release=500
    ) as trials:
        refused = 0
        for trial in trials:
            scene.set_up()
            if trial % 4 == 3:
                first = holder(scene)
                assert at_once(scene) == {"Busy": 3}, trial
                first.kill()
                assert first.wait().killed
            ended = at_once(scene)
            assert set(ended) <= {"", "Busy"} and ended[""], (trial, ended)
            assert stray(scene.data) == [] and state_of(scene.data) == scene.after, trial
            refused += ended["Busy"]
        trials.note("refused where none was at work", refused)


def test_writers_without_a_lock_would_be_caught(scene: Scene, campaign: Campaigns) -> None:
    failed = 0
    for _ in range(2):
        scene.set_up()
        first = holder(scene, "build_unlocked", slow_s=0.05)  # a few seconds in all, and it is to end by itself
        ended = at_once(scene, "build_unlocked") + Counter([first.wait().error])
        failed += set(ended) != {""} or bool(stray(scene.data))
    campaign.control("R13", "the writers' lock is not taken", failed=failed, of=2)
