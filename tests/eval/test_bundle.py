"""An answer as evidence: what is true passes, and whatever is tampered with is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.bundle import read_bundle, verify, write_bundle
from eval.errors import BundleError
from rag.answer import final
from rag.types import Question
from tests.conftest import World

OPENED = "When was the harbour opened?"
Raw = dict[str, Any]


@pytest.fixture
def bundle(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "answer.json"
    write_bundle(path, final(world.footnote.ask(Question(OPENED))))
    return path


def failures(path: Path, source: Path) -> list[str]:
    return [f"{check.what}: {check.detail}" for check in verify(read_bundle(path), source) if not check.holds]


def tampered(path: Path, change: Callable[[Raw], None], *, sealed: bool = False) -> Path:
    """The bundle after ``change`` to its answer; ``sealed`` as someone would who knows how the seal is made."""
    raw = json.loads(path.read_text())
    change(raw["answer"])
    if sealed:
        raw["seal"] = sha256(json.dumps(raw["answer"], sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    path.write_text(json.dumps(raw))
    return path


def test_an_untouched_answer_holds_without_an_index(bundle: Path, world: World) -> None:
    checks = verify(read_bundle(bundle), world.source)
    assert [check.what for check in checks] == ["seal", "text", "sentence 1", "document harbour.txt", "footnote 1"]
    assert failures(bundle, world.source) == []


def test_an_abstention_holds_too_and_may_say_nothing(world: World, tmp_path: Path) -> None:
    path = tmp_path / "abstained.json"
    write_bundle(path, final(world.footnote.ask(Question("Who was crowned king of Sweden?"))))
    assert failures(path, world.source) == []
    told = [{"text": "x", "start": 0, "end": 1, "citations": [], "support": 1.0, "verdict": "supported"}]
    tampered(path, lambda answer: answer.update(sentences=told), sealed=True)
    assert any("abstention" in failure for failure in failures(path, world.source))


def set_text(answer: Raw) -> None:
    """A year changed wherever the answer states it, consistently."""
    for part in (answer, answer["sentences"][0]):
        part["text"] = part["text"].replace("1911", "1912")
    answer["citations"][0]["cited_text"] = answer["citations"][0]["cited_text"].replace("1911", "1912")


def shift(by: int) -> Callable[[Raw], None]:
    def change(answer: Raw) -> None:
        answer["citations"][0]["start_char"] += by
        answer["citations"][0]["end_char"] += by

    return change


def drop_footnote(answer: Raw) -> None:
    answer["sentences"][0]["citations"] = []


def drop_citations(answer: Raw) -> None:
    answer["citations"] = []


def add_sentence(answer: Raw) -> None:
    end = len(answer["text"])
    extra = {"text": "And closed.", "start": end + 1, "end": end + 12, "citations": [1], "support": 1.0}
    answer["text"] += " And closed."
    answer["sentences"].append({**extra, "verdict": "supported"})
    answer["citations"].append({**answer["citations"][0], "n": 2, "answer_start": end + 1, "answer_end": end + 12})


def point_elsewhere(answer: Raw) -> None:
    answer["citations"][0]["answer_end"] -= 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (set_text, "footnote 1: characters"),
        (shift(1), "footnote 1: characters"),
        (shift(-1), "footnote 1: characters"),
        (shift(10_000), "footnote 1: characters"),
        (drop_footnote, "sentence 1: has no footnote"),
        (drop_citations, "sentence 1: has no footnote"),
        (add_sentence, "footnote 2: the part of the answer"),
        (point_elsewhere, "footnote 1: the part of the answer"),
        (lambda answer: answer.update(text=answer["text"] + " Trust me."), "text: it is not the sentences"),
        (lambda answer: answer["sentences"][0].update(start=1), "sentence 1: is not at"),
        (lambda answer: answer["citations"][0].update(source="atlantis.txt"), "atlantis.txt: cannot be read"),
        (lambda answer: answer["citations"][0].update(source="../outside.txt"), "leads out of the folder"),
        (lambda answer: answer["citations"][0].update(source="/etc/hostname"), "leads out of the folder"),
        (lambda answer: answer["citations"][0].update(source_sha256="0" * 64), "the file is another"),
        (lambda answer: answer["citations"][0].update(text_sha256="0" * 64), "its text is another"),
    ],
)
def test_a_tampered_answer_fails_with_the_reason_even_when_it_is_sealed_anew(
    bundle: Path, world: World, change: Callable[[Raw], None], named: str
) -> None:
    tampered(bundle, change, sealed=True)
    assert any(named in failure for failure in failures(bundle, world.source)), failures(bundle, world.source)


def test_a_sentence_that_is_marked_needs_no_footnote(bundle: Path, world: World) -> None:
    def doubt(answer: Raw) -> None:
        drop_footnote(answer)
        answer["sentences"][0]["verdict"] = "unsupported"

    tampered(bundle, doubt, sealed=True)
    assert not [failure for failure in failures(bundle, world.source) if "sentence 1" in failure]


def test_what_no_footnote_can_show_is_under_the_seal(bundle: Path, world: World) -> None:
    tampered(bundle, lambda answer: answer.update(confidence=1.0, question="When was it closed?"))
    assert failures(bundle, world.source) == ["seal: the answer was changed afterwards"]


def test_a_changed_or_missing_document_fails(bundle: Path, world: World) -> None:
    harbour = world.source / "harbour.txt"
    harbour.write_text(harbour.read_text() + "Later it was closed.\n")
    assert any("the file is another" in failure for failure in failures(bundle, world.source))
    harbour.unlink()
    assert any("cannot be read" in failure for failure in failures(bundle, world.source))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.data())
def test_no_change_of_an_offset_passes(bundle: Path, world: World, data: st.DataObject) -> None:
    raw = json.loads(bundle.read_text())
    field = data.draw(st.sampled_from(["start_char", "end_char", "answer_start", "answer_end"]))
    was = raw["answer"]["citations"][0][field]
    now = data.draw(st.integers(-3, 400).filter(lambda value: value != was))
    path = bundle.with_name("shifted.json")
    path.write_text(bundle.read_text())
    tampered(path, lambda answer: answer["citations"][0].update({field: now}), sealed=True)
    assert failures(path, world.source)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 99}', '{"format": 1, "answer": {}}', "[" * 100_000])
def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BundleError):
        read_bundle(tmp_path / "x.json")
