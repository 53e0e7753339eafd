"""A part of the public sets, asked of the real thing: floors that a change for the worse by three points breaks.

The sets are not part of the project. FOOTNOTE_BENCH_DATA names the folder that holds them (docs/quality.md); without
it these tests are skipped."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from api.benching import bench_quality
from api.settings import Settings
from index.encode import DEFAULT_MODEL, load_encoder

DATA = os.environ.get("FOOTNOTE_BENCH_DATA", "")

# Up to three points below what `footnote bench quality --quick` measured, over whole sets.
FLOORS = {
    ("squad", "hit_at_1"): 0.81,
    ("squad", "recall_at_10"): 0.955,
    ("squad", "answer_in_first_sentence"): 0.735,
    ("squad", "answer_in_quoted_sentences"): 0.86,
    ("chunking", "recall_in_5_passages"): 0.945,
    ("chunking", "recall_in_quoted_sentences"): 0.635,
    ("chunking", "iou_of_quoted_sentences"): 0.425,
    ("clapnq", "rouge_l"): 0.54,
    ("clapnq", "declines_at_0.5"): 0.785,
    ("clapnq", "keeps_at_0.5"): 0.805,
    ("clapnq", "confidence_auc"): 0.855,
    ("mtrag", "ndcg_at_5"): 0.53,
    ("mtrag", "recall_at_10"): 0.745,
}


@pytest.mark.model
@pytest.mark.timeout(1_800)
@pytest.mark.skipif(not DATA, reason="FOOTNOTE_BENCH_DATA names no folder with the public sets")
def test_the_public_sets_are_answered_no_worse(tmp_path: Path, encoders: Path) -> None:
    settings = Settings(source=tmp_path, data=tmp_path / "data")
    load = partial(load_encoder, DEFAULT_MODEL, encoders)
    quality = bench_quality(Path(DATA), settings, quick=True, quiet=True, encoder=load)
    found = {(result.name, row.measure): row.whole.value for result in quality.sets for row in result.rows}
    assert all(result.failed == 0 for result in quality.sets)
    below = {name: (found[name], floor) for name, floor in FLOORS.items() if (found[name] or 0.0) < floor}
    assert not below, f"measured, floor: {below}"
