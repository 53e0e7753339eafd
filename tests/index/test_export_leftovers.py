"""What killed exports leave is not kept for ever."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import index.export as exporting
from index.export import export


class Stopped(Exception):
    """Instead of loading a model, which takes seconds."""


def test_what_a_killed_export_left_goes_and_one_under_way_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: str) -> None:
        raise Stopped

    monkeypatch.setattr(exporting, "reference_model", stop)
    cache = tmp_path / "encoders"
    names = (".0123456789abcdef-abcdefg1", ".0123456789abcdef-abcdefg2", "0123456789abcdef", ".some-body-s")
    old, new, whole, other = (cache / name for name in names)
    for folder in (old, new, whole, other):
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(b"model")
    yesterday = time.time() - 86_400
    for folder in (old, whole, other):
        os.utime(folder, (yesterday, yesterday))
    with pytest.raises(Stopped):
        export(tmp_path / "model", cache / "fedcba9876543210")
    assert sorted(path.name for path in cache.iterdir()) == sorted([new.name, whole.name, other.name])
