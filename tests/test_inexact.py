"""A number that is not exact, a gift, and that something is not known are answers; what a text does not say is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api.compose import Footnote
from api.settings import Settings
from index.types import Encoder
from rag.answer import final
from rag.types import Question

pytestmark = pytest.mark.model

BRIDGE = """Dozens of climbers paint the Hamra bridge

-

Dozens of climbers have begun to paint the Hamra bridge, its keeper said on Monday.

The paint works declined to be paid for the paint.

"All that we used up there was a present," said keeper Lova Brant.

Last year 48,000 lorries crossed the bridge, and 31,000 the year before.

Nobody knows yet when the work will be done.

Source link
"""


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory, real_encoder: Encoder) -> Iterator[Footnote]:
    folder = tmp_path_factory.mktemp("bridge")
    (folder / "documents").mkdir()
    (folder / "documents" / "bridge.txt").write_text(BRIDGE, "utf-8")
    settings = Settings(source=folder / "documents", data=folder / "data")
    footnote = Footnote(settings, encoder=lambda: real_encoder, in_child=False)
    footnote.rebuild(lambda *_: None)
    yield footnote
    footnote.close()


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How many climbers?", "Dozens"),
        ("How many climbers are painting the bridge?", "Dozens"),
        ("What did the paint cost?", "declined to be paid"),
        ("How much was paid for the paint?", "declined to be paid"),
        ("When will the work be done?", "Nobody knows"),
        ("How many lorries crossed the bridge last year?", "48,000"),
    ],
)
def test_what_is_not_exact_is_still_an_answer(bridge: Footnote, question: str, said: str) -> None:
    answer = final(bridge.ask(Question(text=question)))
    assert not answer.abstained and said in answer.text


def test_two_questions_in_one_are_both_answered(bridge: Footnote) -> None:
    answer = final(
        bridge.ask(Question(text="How many climbers are painting the bridge, and when will the work be done?"))
    )
    assert "Dozens" in answer.text and "Nobody knows" in answer.text


@pytest.mark.parametrize("question", ["How many climbers fell off the bridge?", "How long is the Hamra bridge?"])
def test_a_number_of_something_else_is_none(bridge: Footnote, question: str) -> None:
    assert final(bridge.ask(Question(text=question))).abstained
