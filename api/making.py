"""Suites made from a folder, and thresholds fitted to one: eval/ with an index to draw on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from api import terminal
from api.compose import Footnote
from api.evaluating import SUITES, served
from eval.calibrate import FORMAT, Calibration, Sureness, between, choose_threshold, expect, write_calibration
from eval.cases import load_suite
from eval.errors import SuiteError
from eval.evidence import resolve
from eval.generate import GENERATED, Inquire, generate
from eval.inquire import inquire
from eval.types import Case
from index.files import replace_file
from index.generation import Generation
from index.network import load_tokenizer
from index.types import Passage, Sentence
from rag.answer import AnswerOptions, final
from rag.read import FOLDER
from rag.types import Question

CALIBRATION_CASES = 200
_INQUIRE_TIMEOUT_S = 30.0  # an LLM has for one question
_SAID_ALREADY = 0.6  # cosine of two sentences from which on one may answer what the other does
_NEIGHBOURS = 30  # passages looked at for such a sentence
_ROWS_AT_ONCE = 1_000
_MAX_PASSAGES = 20_000  # of a folder, drawn evenly: plenty for a few hundred questions


def make_cases(footnote: Footnote, count: int, *, by_llm: bool = False) -> list[Case]:
    """Up to ``count`` cases from what is indexed; their questions by the LLM, if there is one and ``by_llm`` says so.

    Raises SuiteError when its sentences yield none."""
    llm = footnote.llm if by_llm else None
    asking: Inquire = partial(inquire, llm, timeout_s=_INQUIRE_TIMEOUT_S) if llm else lambda *_: None
    words = frozenset(load_tokenizer(FOLDER / "tokenizer.json").get_vocab())
    with footnote.library.pin() as generation:
        every = generation.rows()
        rows = every[:: max(1, len(every) // _MAX_PASSAGES)]
        passages = (
            passage
            for start in range(0, len(rows), _ROWS_AT_ONCE)
            for passage in generation.store.passages(list(rows[start : start + _ROWS_AT_ONCE]))
        )
        cases = generate(
            passages, count=count, words=words, said_elsewhere=partial(_said_elsewhere, generation), inquire=asking
        )
    if not cases:
        raise SuiteError(
            "No question could be made from the documents.",
            remedy="Questions are made from English sentences with names and numbers; write a suite by hand.",
        )
    return cases


def _said_elsewhere(generation: Generation, passage: Passage, sentence: Sentence) -> bool:
    vector = np.asarray(generation.sentences.rows(sentence.row, sentence.row + 1)[0], dtype=np.float32)  # (dim,)
    own = set(generation.store.rows_of([passage.document.document_id]))
    near = [row for row, _ in generation.vectors.search(vector, _NEIGHBOURS) if row not in own]
    spans = generation.store.sentence_spans(near)
    return any(float((generation.sentences.rows(*span) @ vector).max()) >= _SAID_ALREADY for span in spans)


def write_suite(footnote: Footnote, folder: Path, count: int) -> int:
    """Make a suite of what is indexed and write it to ``folder``; returns its number of cases.

    Raises SuiteError when there is a suite in ``folder`` already."""
    if (folder / "suite.toml").exists() or (folder / "cases.jsonl").exists():
        raise SuiteError(f"There is a suite in {folder} already.", remedy="Name another folder, or remove that one.")
    cases = make_cases(footnote, count, by_llm=True)
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(_line(case), ensure_ascii=False) + "\n" for case in cases)
    replace_file(folder / "cases.jsonl", lines)
    about = [
        "# Made by footnote eval generate from the folder's own sentences; what an LLM worded is tagged by-llm.",
        f"name = {json.dumps(folder.name)}",
        f"source = {json.dumps(str(footnote.settings.source))}",
    ]
    replace_file(folder / "suite.toml", "\n".join(about) + "\n")
    return len(cases)


def _line(case: Case) -> dict[str, object]:
    """A case as cases.jsonl has it, with the fields that say something."""
    evidence = [{"source": one.source, "quote": one.quote, "start": one.start} for one in case.evidence]
    fields = {
        "answers": list(case.answers),
        "evidence": evidence,
        "without": list(case.without),
        "tags": list(case.tags),
    }
    return {
        "id": case.id,
        "question": case.question,
        "answerable": case.answerable,
        **{name: value for name, value in fields.items() if value},
    }


def calibrate(footnote: Footnote, suite: str, progress: terminal.Asked = lambda *_: None) -> Calibration:
    """Fit the threshold to what is indexed and write it to calibration.json, where a server reads it.

    With ``suite`` to its questions, and what to expect is cross-validated. With "" to questions made by rule, which
    are easier than those people ask: so it goes only half of the way from the threshold that ships."""
    loaded = load_suite(suite, SUITES) if suite else None
    texts, context = served(footnote)
    if loaded is not None:
        resolve(loaded, texts)  # says which evidence is not in this folder
    cases = list(loaded.cases) if loaded else make_cases(footnote, CALIBRATION_CASES)
    asked: list[Sureness] = []
    for case in cases:
        asked.append(_ask(footnote, case))
        progress(len(asked), len(cases))
    fitted = choose_threshold(asked)
    made = all(GENERATED in case.tags for case in cases)
    threshold = between(fitted, AnswerOptions().min_confidence) if made else fitted
    precision, recall, kept = expect(asked, threshold if made else None)
    found = Calibration(
        format=FORMAT,
        min_confidence=threshold,
        abstention_precision=precision,
        abstention_recall=recall,
        kept=kept,
        made=made,
        suite=loaded.name if loaded else "",
        generation=context["generation"],
        models=footnote.models,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_calibration(footnote.layout.calibration, found)
    return found


def _ask(footnote: Footnote, case: Case) -> Sureness:
    # The confidence is the same either way, and an LLM need not be asked for it.
    asked = Question(case.question, case.messages, documents=case.documents, without=case.without, mode="extractive")
    given = final(footnote.ask(asked))
    found = given.reason in ("", "weak_evidence")  # else there was nothing to be sure of
    return Sureness(case.id, case.answerable, given.confidence if found else 0.0)
