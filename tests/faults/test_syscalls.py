"""The watch over system calls itself: it sees what native code does, and what it refuses is refused."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from tests.faults.scene import Scene, in_leaps, state_of
from tests.faults.syscalls import EVERY, Fault

MakeScene = Callable[[str], Scene]


@pytest.fixture
def scene(scenes: MakeScene) -> Scene:
    return scenes("anew")


def test_it_sees_what_every_library_writes_in_the_order_of_the_build(scene: Scene) -> None:
    scene.points()
    steps = [(call.name, call.path.rsplit("/", 1)[-1]) for call in scene.rehearsed]
    wanted = [
        ("openat", "writer.lock"),
        ("pwrite64", "documents.db"),  # SQLite
        ("write", "vectors.faiss"),
        ("renameat", "meta.json"),  # tantivy, from a thread of its own
        ("fsync", "MANIFEST.json"),
        ("rename", "000003"),
        ("fsync", "generations"),
        ("fsync", "CURRENT.tmp"),
        ("rename", "CURRENT"),
        ("rename", ".going-000001"),
        ("unlink", "embedding.journal"),
    ]
    at = -1
    for step in wanted:
        at = steps.index(step, at + 1)  # in this order
    assert all(call.name in EVERY for call in scene.rehearsed)


def test_a_call_that_it_refuses_is_not_made(scene: Scene) -> None:
    scene.set_up()
    ended, watch = scene.run(Fault(0, errno.EIO, among=frozenset({"mkdir"})))
    assert str(watch.struck) == "mkdir of ." and ended.published  # the folder is there: nothing was lost
    scene.set_up()
    ended, watch = scene.run(Fault(1, errno.EIO, among=frozenset({"rename"})))
    assert str(watch.struck) == "rename of CURRENT" and ended.error == "DiskFailed"
    assert state_of(scene.data) == scene.before


def test_a_process_is_killed_before_the_call_and_makes_no_other(scene: Scene) -> None:
    scene.set_up()
    ended, watch = scene.run(Fault(0, among=frozenset({"rename"})))
    assert ended.killed and watch.calls[-1] == watch.struck
    assert str(watch.struck) == "rename of generations/000003" and scene.data.joinpath("generations/000002").exists()
    assert not scene.data.joinpath("generations/000003").exists()


def test_the_first_few_of_many_points_are_spread_over_all() -> None:
    assert in_leaps(8) == [0, 4, 2, 6, 1, 5, 3, 7]
    assert all(sorted(in_leaps(count)) == list(range(count)) for count in range(70))
