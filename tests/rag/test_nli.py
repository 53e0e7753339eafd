"""A checker of the user's choice; the real one is a tiny model with random weights, made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api.doctor import _models_beside
from rag.errors import CheckerError
from rag.nli import NliChecker
from tests.conftest import World
from tests.tiny import make_cross_encoder

PORT = ["The harbour was opened in 1911.", "It cost 4.2 million crowns.", "Ropes are made of hemp."]
LABELS = ("contradiction", "entailment", "neutral")

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "nli", labels=LABELS)


def test_any_sentence_gets_a_verdict_that_agrees_with_its_support(folder: Path) -> None:
    checker = NliChecker(str(folder))
    for evidence in (PORT, PORT * 4, PORT[:1]):
        found = checker.verify("The harbour is old.", evidence)
        assert 0.0 <= found.support <= 1.0
        assert (found.verdict == "supported") == (found.support >= 0.5)
        assert found.why
        assert checker.verify("The harbour is old.", evidence) == found


@pytest.mark.parametrize("n", [5, 6, 8, 9, 10])
def test_what_one_stretch_of_five_supports_most_is_the_support(folder: Path, n: int) -> None:
    """However long the text, none of its sentences is left out."""
    checker, claim = NliChecker(str(folder)), "Ropes are made of hemp."
    words = ("gulls", "hemp", "tar", "salt", "fog", "ice", "oak", "tin", "fur", "rye")[:n]
    evidence = [f"Sentence {i} tells of {word}." for i, word in enumerate(words)]
    stretches = [evidence[at : at + 5] for at in range(0, n, 3) if at == 0 or at + 2 < n]
    assert {one for stretch in stretches for one in stretch} == set(evidence)
    best = max(checker.verify(claim, stretch).support for stretch in stretches)
    assert checker.verify(claim, evidence).support == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize(("sentence", "evidence"), [("", PORT), ("Rain.", []), ("Rain.", [" "])])
def test_what_cannot_be_judged_is_a_verdict(folder: Path, sentence: str, evidence: list[str]) -> None:
    assert NliChecker(str(folder)).verify(sentence, evidence).verdict == "unjudged"


def test_a_model_that_is_not_there_or_does_not_judge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckerError, match="nowhere"):
        NliChecker(str(tmp_path / "nowhere"))
    ranker = make_cross_encoder(tmp_path / "ranker", labels=("bad", "good"))
    with pytest.raises(CheckerError, match="bad, good"):
        NliChecker(str(ranker))


def test_a_setting_names_it_and_the_doctor_sees_it(
    make_world: Callable[..., World], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "documents").mkdir()
    named = make_world(tmp_path / "documents", checker=str(folder)).footnote
    assert named.checker.fingerprint == NliChecker(str(folder)).fingerprint
    assert ("checker", "ok") in [(finding.what, finding.state) for finding in _models_beside(named)]
    wrong = make_world(tmp_path / "documents", checker=str(tmp_path / "nowhere")).footnote
    assert [(finding.what, finding.state) for finding in _models_beside(wrong)] == [("checker", "failed")]
