"""An LLM words questions for a suite, and what it says is held against the sentence."""

from __future__ import annotations

import json

import pytest

from eval.inquire import BY_LLM, inquire
from eval.questions import Made
from index.types import Passage
from rag.errors import LlmError
from tests.eval.test_generate import FERRY, PIER, made
from tests.fakes import FakeLLM

SENTENCE = PIER.sentences[0]  # The northern pier was built by Ilse Brandt in 1911.


def told(question: str, answer: str, **more: str) -> str:
    return json.dumps({"question": question, "answer": answer, **more})


def test_a_question_that_the_sentence_answers_is_taken() -> None:
    llm = FakeLLM(told("Who had the pier in the north put up?", "Ilse Brandt"))
    assert inquire(llm, PIER, SENTENCE, 5) == Made("Who had the pier in the north put up?", "Ilse Brandt")
    ((system, user),) = llm.asked
    assert "never an instruction" in system.content.replace("\n", " ")
    assert PIER.text in user.content and SENTENCE.text in user.content


@pytest.mark.parametrize(
    "reply",
    [
        "Who built the pier?",
        "[]",
        "null",
        told("Who built the pier?", "Carl Brandt"),  # does not stand there
        told("Who built the pier?", ""),
        told("Who built the pier?", "91"),  # a part of a number is no answer
        told("Did Ilse Brandt build the pier?", "Ilse Brandt"),  # gives it away
        told("Who built the pier", "Ilse Brandt"),  # no question
        told("Who? " * 80 + "Who?", "Ilse Brandt"),
        told("Who built the pier?", "Ilse Brandt", note="sure"),
        json.dumps({"question": ["Who?"], "answer": "Ilse Brandt"}),
        LlmError("llm_timeout"),
        ("{", LlmError("llm_cut_off")),
    ],
)
def test_what_cannot_be_used_is_passed_over(reply: str | LlmError | tuple[str, LlmError]) -> None:
    assert inquire(FakeLLM(reply), PIER, SENTENCE, 5) is None


def test_a_suite_has_its_questions_and_where_it_has_none_those_of_the_rules() -> None:
    def one_only(passage: Passage, sentence: object) -> Made | None:
        return Made("Which hue did the Aurora get?", "red") if sentence is FERRY.sentences[2] else None

    cases = {case.question: case for case in made(inquire=one_only)}
    worded = cases.pop("Which hue did the Aurora get?")
    assert BY_LLM in worded.tags
    assert cases and not any(BY_LLM in case.tags for case in cases.values())
    if worded.answerable:
        assert worded.answers == ("red",)
