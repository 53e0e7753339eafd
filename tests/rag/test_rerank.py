"""A reranker orders anew what was found; the real one is a tiny model made here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from api.doctor import examine
from index.search import make_query, search
from rag.answer import answer, final
from rag.errors import RerankerError
from rag.rerank import CANDIDATES, CrossEncoderReranker, rerank
from rag.types import Answer, Question
from tests.conftest import World
from tests.tiny import make_cross_encoder

OPENED = "When was the harbour opened?"


class Longest:
    """The longest passage is the best."""

    name = "longest"
    fingerprint = "longest-1"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        self.seen.append(len(passages))
        return [float(len(passage)) for passage in passages]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoderReranker:
    return CrossEncoderReranker(str(make_cross_encoder(tmp_path_factory.mktemp("models") / "ranker")))


def ask(world: World, reranker: Longest | CrossEncoderReranker | None, k: int = 3) -> Answer:
    with world.footnote.library.pin() as generation:
        events = answer(
            Question(OPENED, k=k), generation, world.encoder, source_changed=lambda _: False, reranker=reranker
        )
        return final(events)


def test_the_best_of_many_candidates_come_first(port: World) -> None:
    with port.footnote.library.pin() as generation:
        hits = search(generation, [make_query(OPENED, port.encoder)], k=CANDIDATES)
    by_length = rerank(OPENED, hits, Longest(), 2)
    lengths = [hit.score for hit in by_length]
    everything = rerank(OPENED, hits, Longest(), len(hits))
    assert lengths == sorted((hit.score for hit in everything), reverse=True)[:2]
    assert {hit.passage.passage_id for hit in everything} == {hit.passage.passage_id for hit in hits}


def test_an_answer_looks_at_more_than_it_shows_and_is_another_answer(port: World) -> None:
    longest = Longest()
    with_it, without = ask(port, longest), ask(port, None)
    assert len(with_it.passages) == len(without.passages) == 3
    assert longest.seen[0] > 3
    assert [passage.score for passage in with_it.passages] == sorted(
        (passage.score for passage in with_it.passages), reverse=True
    )
    assert with_it.answer_id != without.answer_id


@pytest.mark.model
def test_a_cross_encoder_scores_each_pair_by_itself(tiny: CrossEncoderReranker) -> None:
    passages = ["The harbour was opened in 1911.", "Ropes are made of hemp.", "x " * 300]
    scores = tiny.scores(OPENED, passages)
    assert tiny.scores(OPENED, []) == []
    assert len(set(scores)) == 3
    assert [tiny.scores(OPENED, [passage])[0] for passage in passages] == pytest.approx(scores, abs=1e-5)


@pytest.mark.model
def test_the_settings_name_it_and_every_door_uses_it(
    make_world: Callable[..., World], folder: Path, tmp_path: Path
) -> None:
    model = make_cross_encoder(tmp_path / "ranker")
    world = make_world(folder, reranker=str(model))
    world.build()
    reranker = world.footnote.reranker
    assert reranker is not None
    _, hits = world.footnote.search(OPENED, 2)
    given = final(world.footnote.ask(Question(OPENED, k=2)))
    assert [hit.score for hit in hits] == pytest.approx([passage.score for passage in given.passages], abs=1e-6)
    assert all(0 <= hit.score <= 1 for hit in hits)  # its own scores, not sums of standardised signals
    findings = {finding.what: finding for finding in examine(world.footnote.settings)}
    assert (findings["reranker"].state, findings["reranker"].detail[:6]) == ("ok", "ranker")


@pytest.mark.model
def test_what_is_no_ranker_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RerankerError, match="nowhere"):
        CrossEncoderReranker(str(tmp_path / "nowhere"))
    three = make_cross_encoder(tmp_path / "three", n_scores=3)
    with pytest.raises(RerankerError, match="gives 3 scores"):
        CrossEncoderReranker(str(three))
