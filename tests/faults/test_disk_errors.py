"""Any call by which a build writes may fail, once or for ever: the build ends in words, and the old index is served."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults.builders import Ended
from tests.faults.campaign import Campaigns
from tests.faults.scene import Scene, fails, state_of, stray, with_old_generations
from tests.faults.syscalls import EVERY, TAKE_SPACE, Call, Fault, Watch

MakeScene = Callable[[str], Scene]
SAID = {errno.EIO: ("DiskFailed", "does not do what it is told"), errno.ENOSPC: ("DiskFull", "is full")}
PUBLISHED = Call("rename", "CURRENT")


def said_so(ended: Ended, watch: Watch, error: int) -> bool:
    """Whether the build told of the error; then in the words for it, and otherwise it had no need of what failed."""
    assert not ended.killed
    struck = watch.struck
    if struck is not None and struck.name == "openat" and struck.path.endswith("documents.db"):
        # SQLite says that it cannot open a file, or not for writing, and not why. What is tried next may tell.
        assert ended.error in ("", "DiskFailed", "ReadOnly", SAID[error][0]), ended
    else:
        kind, words = SAID[error]
        assert ended.error in ("", kind) and (not ended.error or words in ended.message), (ended, str(struck))
    return bool(ended.error)


@pytest.mark.parametrize("how", ["anew", "extended"])
def test_a_build_whose_disk_fails_says_so_and_the_old_index_is_served(
    scenes: MakeScene, campaign: Campaigns, how: str
) -> None:
    scene = scenes(how)
    points = [(point, error, forever) for point in scene.points() for error in SAID for forever in (False, True)]
    with campaign("R3", f"a call that writes fails ({how})", push=8, release=len(points)) as trials:
        told, befell = 0, Counter[str]()
        for trial in trials:
            (kind, number), error, forever = points[trial]
            fault = Fault(number, error, forever, frozenset({kind}))
            if forever:  # the disk fails whatever is tried next
                fault = from_there_on(scene, fault, TAKE_SPACE if error == errno.ENOSPC else EVERY)
            scene.set_up()
            ended, watch = scene.run(fault)
            told += (failed := said_so(ended, watch, error))
            befell[kind] += watch.struck is not None
            is_new = scene.check()
            # Only what comes after publishing may fail a build that has published.
            was_published = PUBLISHED in watch.calls and watch.struck != PUBLISHED
            assert is_new == (not failed) or (is_new and was_published), (trial, str(fault), str(watch.struck), ended)
            scene.recover()
        trials.note("points", len(points))
        trials.note("struck", befell.total())
        trials.note("told", told)
        assert told  # how many is the run's: some calls a build has no need of


def from_there_on(scene: Scene, fault: Fault, among: frozenset[str]) -> Fault:
    """The fault at the same call, and for every call in ``among`` that follows: counted anew, among all of those."""
    seen = 0
    for at, call in enumerate(call for call in scene.rehearsed if call.name in among):
        if call.name in fault.among:
            if seen == fault.at:
                return Fault(at, fault.error, forever=True, among=among)
            seen += 1
    return fault  # of a kind that such a disk still does


def test_after_an_error_only_garbage_is_left_and_it_is_collected(scenes: MakeScene, campaign: Campaigns) -> None:
    scene = scenes("anew")
    points = [(number, error) for kind, number in scene.points() if kind == "write" for error in SAID]
    with campaign("R3", "a write fails, then garbage is collected", push=4, release=len(points)) as trials:
        for trial in trials:
            number, error = points[trial]
            scene.set_up()
            scene.run(Fault(number, error, among=frozenset({"write"})))
            scene.run(what="gc")
            assert [name for name in stray(scene.data) if name != "embedding.journal"] == [], trial


def test_a_command_whose_disk_fails_says_so_in_a_sentence(scenes: MakeScene) -> None:
    scene = scenes("anew")
    with_old_generations(scene)
    for error, words in ((errno.EIO, "does not do what it is told"), (errno.EROFS, "cannot be written to")):
        scene.set_up()
        arguments = ["generations", "gc", "--data", str(scene.data)]
        fault = Fault(0, error, among=frozenset({"rename", "unlinkat"}))
        ended, _ = scene.builders.run(scene.source, scene.data, fault, "command", arguments=arguments)
        assert ended.error == "exit code 3" and words in ended.message and "Traceback" not in ended.message
        assert state_of(scene.data) == scene.before


def test_vectors_that_were_cut_short_would_be_caught(scenes: MakeScene, campaign: Campaigns) -> None:
    """Were an error of writing not heard, as where it comes when a file is closed, a part would be sealed and published
    as the whole."""
    scene = scenes("anew")
    scene.points("build_deaf_to_errors")
    of_vectors = scene.ordinals("write", "vectors.faiss")
    failed = 0
    for number in of_vectors:
        scene.set_up()
        fault = Fault(number, errno.ENOSPC, among=frozenset({"write"}))
        ended, watch = scene.run(fault, "build_deaf_to_errors")
        assert watch.struck is not None and watch.struck.path.endswith("vectors.faiss")
        assert not ended.error, ended
        failed += fails(scene.check)
    campaign.control("R3", "that an error of writing vectors is heard", failed=failed, of=len(of_vectors))
    assert state_of(scene.template) == scene.before
