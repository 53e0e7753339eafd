"""Public sets of claims: read as they are published, and measured by hand-made verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from api.benching import bench_checker
from api.settings import Settings
from eval.benchmarks.grounding import GROUNDING, Claim, load_claims, measure_checker
from eval.errors import SuiteError
from eval.statistics import estimate_balanced, estimate_correlation
from rag.verify import Judgement

ARTICLE = "The harbour opened in 1911. It cost 4 million crowns. The mayor, who was ill, stayed at home."


class WordForWord:
    """Supports what stands in the text."""

    fingerprint = "word for word"

    def verify(self, sentence: str, evidence: Sequence[str]) -> Judgement:
        if not evidence:
            return Judgement("unjudged", 0.0, "no text")
        found = sentence in evidence
        return Judgement("supported" if found else "unsupported", 0.9 if found else 0.2, "")


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")

    def lines(*rows: object) -> str:
        return "".join(json.dumps(row) + "\n" for row in rows)

    for part, score, scale in (("QAGS_CNN", "fact", 1.0), ("QAGS_XSUM", "fact", 1.0), ("SummEval", "consistency", 5.0)):
        write(f"bartscore_sum/{part}.docs.json", json.dumps({"0": ARTICLE}))
        good = "The harbour opened in 1911. It cost 4 million crowns."
        bad = "The harbour opened in 1911. It cost 9 million crowns."
        write(
            f"bartscore_sum/{part}.jsonl",
            lines(
                {"doc_id": "0", "summary": good, "scores": {score: scale}},
                {"doc_id": "0", "summary": bad, "scores": {score: scale / 2}},
            ),
        )
    row = {"id": "a", "doc": ARTICLE, "summary": "It cost 4 million crowns.", "label": 1}
    for domain in ("news", "ectsum", "podcast", "qmsumm", "sales_call", "sales_email", "samsum", "scitldr"):
        write(
            f"summedits/summedits_{domain}.json",
            json.dumps([row, row | {"id": "b", "summary": "It cost 9 million crowns.", "label": 0}]),
        )
    for part in ("dev", "test"):
        write(
            f"wice/claim_{part}.jsonl",
            lines(
                {"label": "supported", "claim": "It cost 4 million crowns.", "evidence": [ARTICLE, "# Menu"]},
                {"label": "partially_supported", "claim": "It cost gold.", "evidence": [ARTICLE]},
            ),
        )
    paragraph = (
        "The northern pier, which is made of granite, was built by Ilse Brandt in the spring of 1911. "
        "In the same year the council, against the will of the mayor, paid 40 crowns for every ship. "
        "Later the old wooden bridge, the pride of the town, was closed by the guard in November 1925."
    )
    write("squad/articles_490.jsonl", lines(*({"title": f"T{n}", "text": paragraph} for n in range(20))))
    return tmp_path


def test_every_set_is_read_with_its_labels(sets: Path) -> None:
    for name in GROUNDING:
        claims = load_claims(name, sets, quick=False)
        assert {claim.supported for claim in claims} == {True, False}, name
        assert len({claim.id for claim in claims}) == len(claims), name
        assert all(claim.sentences and claim.evidence for claim in claims), name
    (good, bad) = load_claims("qags-cnn", sets, quick=False)
    assert good.sentences == ("The harbour opened in 1911.", "It cost 4 million crowns.")
    assert (good.score, bad.score) == (1.0, 0.5)


def test_planted_faults_change_one_thing_and_true_ones_leave_a_clause_out(sets: Path) -> None:
    claims = load_claims("planted", sets, quick=False)
    assert claims == load_claims("planted", sets, quick=False)
    for claim in claims:
        (sentence,) = claim.sentences
        assert sentence not in claim.evidence
        if claim.supported:
            assert any(sentence.split(",")[0].rstrip(".") in other for other in claim.evidence)


def test_a_claim_is_supported_when_each_of_its_sentences_is() -> None:
    claims = [
        Claim("1", ("a.", "b."), ("a.", "b."), True, 1.0),
        Claim("2", ("a.", "x."), ("a.", "b."), False, 0.5),
        Claim("3", ("x.", "y."), ("a.", "b."), False, 0.0),
        Claim("4", ("x.",), ("a.",), True, 1.0),
        Claim("5", ("a.",), (), True, 1.0),
    ]
    seen: list[int] = []
    found = measure_checker("summeval", claims, WordForWord(), seen.append)
    rows = {row.measure: row.whole for row in found.rows}
    assert seen == [1, 2, 3, 4, 5]
    assert found.failed == 1  # the one without a text could not be judged, and counts as not supported
    assert rows["balanced_accuracy"].value == pytest.approx((1 / 3 + 1) / 2)
    assert [rows["supported_kept"].value, rows["others_caught"].value] == pytest.approx([1 / 3, 1.0])
    assert rows["auc"].n == 5
    assert rows["spearman"].value is not None


def test_what_is_not_there_is_named(sets: Path, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="wice"):
        load_claims("nothing", sets, quick=False)
    with pytest.raises(SuiteError, match="cannot be read"):
        load_claims("wice", tmp_path / "empty", quick=False)


@pytest.mark.parametrize(
    ("pairs", "value"),
    [
        ([(True, True), (False, False)], 1.0),
        ([(True, True)] * 9 + [(False, True)], 0.5),
        ([(True, True), (True, False), (False, False)], 0.75),
        ([(True, True)], None),
        ([], None),
    ],
)
def test_balanced_accuracy_weighs_both_kinds_the_same(pairs: list[tuple[bool, bool]], value: float | None) -> None:
    found = estimate_balanced(pairs)
    assert found.value == value
    if value is not None and found.low is not None and found.high is not None:
        assert found.low <= value <= found.high


def test_rank_correlation_looks_at_order_alone() -> None:
    assert estimate_correlation([(1, 10), (2, 100), (3, 1000)]).value == pytest.approx(1.0)
    assert estimate_correlation([(1, 3), (2, 2), (3, 1)]).value == pytest.approx(-1.0)
    assert estimate_correlation([(1, 1), (1, 2), (2, 1), (2, 2)]).value == pytest.approx(0.0)
    assert estimate_correlation([(1, 1), (2, 1)]).value is None
    assert estimate_correlation([]).value is None


@pytest.mark.model
def test_the_command_measures_the_checker_that_ships(sets: Path, tmp_path: Path, encoders: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "encoders").symlink_to(encoders)
    found = bench_checker(sets, Settings(data=data), ("summedits-news", "wice"), quiet=True)
    assert [result.name for result in found.sets] == ["summedits-news", "wice"]
    assert found.sets[0].rows[0].whole.value == 1.0  # four million, not nine
    assert json.loads((data / "bench" / "checker.json").read_text())["model_fingerprint"] == found.model_fingerprint
