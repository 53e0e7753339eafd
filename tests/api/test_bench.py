"""The quality benchmark from end to end, on sets in miniature, with the fake encoder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from api import terminal
from api.benching import Quality, bench_quality
from api.cli import main
from api.settings import Settings
from eval.benchmarks import BENCHMARKS
from tests.eval.sets import write_sets
from tests.fakes import make_fake_encoder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_sets(tmp_path / "sets")


def bench(data: Path, tmp_path: Path, *names: str) -> Quality:
    settings = Settings(source=tmp_path, data=tmp_path / "data", encoder="fake", reader=False)
    return bench_quality(data, settings, names, quiet=True, encoder=make_fake_encoder)


def test_every_set_is_indexed_asked_and_measured(data: Path, tmp_path: Path) -> None:
    quality = bench(data, tmp_path)
    assert [result.name for result in quality.sets] == [*BENCHMARKS, "mtrag"]
    whole = {(result.name, row.measure): row.whole for result in quality.sets for row in result.rows}
    assert all(result.failed == 0 for result in quality.sets)
    assert whole["squad", "hit_at_1"].value == 1.0
    assert whole["chunking", "recall_in_5_passages"].value == 1.0
    assert whole["clapnq", "citation_recall"].value == 1.0
    assert whole["mtrag", "recall_at_10"].n == whole["mtrag-clapnq", "recall_at_10"].n * 2
    saved = json.loads((tmp_path / "data" / "bench" / "quality.json").read_text())
    assert saved["model_fingerprint"] == quality.model_fingerprint
    assert [found["name"] for found in saved["sets"]] == [*BENCHMARKS, "mtrag"]


def test_an_index_is_built_once_and_follows_its_set(data: Path, tmp_path: Path) -> None:
    first = bench(data, tmp_path, "chunking")
    again = bench(data, tmp_path, "chunking")
    generations = tmp_path / "data" / "bench" / "chunking" / "index" / "generations"
    assert [path.name for path in generations.iterdir()] == ["000001"]
    assert again.sets == first.sets
    (data / "chunking_eval" / "wikitexts.md").write_text("The ferry is new.")
    bench(data, tmp_path, "chunking")
    assert sorted(path.name for path in generations.iterdir()) == ["000001", "000002"]


def test_the_command_says_what_it_measured_and_what_is_wrong(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOOTNOTE_DATA", str(tmp_path / "data"))
    quality = bench(data, tmp_path, "mtrag-clapnq", "mtrag-fiqa")
    terminal.show_quality(quality, as_json=False)
    shown = capsys.readouterr().out
    assert "mtrag: 6 questions, 6 documents" in shown
    assert "ndcg_at_5" in shown
    monkeypatch.setattr(sys, "argv", ["footnote", "bench", "quality", "--data", str(tmp_path / "no"), "--set", "squad"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 3
    assert "squad" in capsys.readouterr().err
