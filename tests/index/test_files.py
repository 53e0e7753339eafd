"""A small file is replaced whole, and keeps its new content through a power cut."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from index.files import replace_file
from index.generation import Layout, sweep


def test_the_file_and_then_its_folder_are_made_to_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        done.append(f"fsync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        real_fsync(handle)

    def replace(self: Path, target: Path) -> Path:
        done.append(f"rename {target.name}")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    replace_file(tmp_path / "calibration.json", "{}\n")
    assert done == ["fsync calibration.json.tmp", "rename calibration.json", f"fsync {tmp_path.name}"]
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.json"]


def test_text_that_is_no_utf_8_is_kept(tmp_path: Path) -> None:
    replace_file(tmp_path / "report.md", "of \udcff.txt")
    assert (tmp_path / "report.md").read_bytes().decode("utf-8", "surrogatepass") == "of \udcff.txt"


def test_what_an_interrupted_one_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text("old")
    (tmp_path / "calibration.json.tmp").write_text("ne")
    sweep(Layout(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.json"]
