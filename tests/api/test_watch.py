from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from api.watch import Watcher
from tests.api.conftest import Live, wait_for
from tests.conftest import World


def test_a_new_file_goes_live_by_itself(make_world: Callable[..., World], folder: Path, live: Live) -> None:
    world = make_world(folder, watch=True)
    world.build()
    url = live(world.footnote)
    time.sleep(0.3)  # the watch is set up in a thread
    (folder / "crane.txt").write_text("The crane was bought in 1974 from Gdansk.")

    def is_live() -> bool:
        given = httpx2.post(f"{url}/v1/ask", json={"question": "When was the crane bought?"}).json()
        return "1974" in given["text"]

    wait_for(is_live)
    assert httpx2.get(f"{url}/v1/index").json()["source_changed"] is False


class Calls:
    """Counts how often a watcher called."""

    def __init__(self) -> None:
        self.count = 0
        self.some = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        self.some.set()


@pytest.fixture
def watch() -> Iterator[Callable[[Path, Path], Calls]]:
    watchers: list[Watcher] = []

    def start(folder: Path, ignore: Path) -> Calls:
        calls = Calls()
        watchers.append(Watcher(folder, ignore, calls))
        watchers[-1].start()
        time.sleep(0.3)  # the watch is set up in a thread
        return calls

    yield start
    for watcher in watchers:
        watcher.stop()


def test_what_a_build_writes_does_not_start_another(
    watch: Callable[[Path, Path], Calls], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    calls = watch(Path("../here"), Path("data"))  # the folder holds the data, and is spelt in another way
    Path("data/CURRENT").write_text("000002")
    assert not calls.some.wait(1.5)
    Path("notes.txt").write_text("News.")
    assert calls.some.wait(5)


def test_a_folder_that_is_called_nearly_as_the_data_folder_is_watched(
    watch: Callable[[Path, Path], Calls], tmp_path: Path
) -> None:
    source = tmp_path / "data-sheets"
    source.mkdir()
    calls = watch(source, tmp_path / "data")
    (source / "pump.txt").write_text("The pump gives 40 litres a minute.")
    assert calls.some.wait(5)


def test_many_files_at_once_are_one_change(watch: Callable[[Path, Path], Calls], tmp_path: Path) -> None:
    source = tmp_path / "documents"
    source.mkdir()
    calls = watch(source, tmp_path / "data")
    for n in range(30):
        (source / f"{n}.txt").write_text("News.")
    assert calls.some.wait(5)
    time.sleep(0.3)
    assert calls.count == 1


def test_a_folder_that_is_not_there_is_logged_and_not_fatal(
    watch: Callable[[Path, Path], Calls], tmp_path: Path, logs: list[dict[str, str]]
) -> None:
    calls = watch(tmp_path / "missing", tmp_path / "data")
    assert not calls.some.is_set()
    wait_for(lambda: [entry["event"] for entry in logs] == ["watch_ended"])
