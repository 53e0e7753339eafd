"""The folders of made-up documents that the reader learns from: they can be read, and become what was meant."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from training import folders

FERRY = """
@folder night-ferry
#doc Night ferry resumes
##What changed
1 The night ferry to Arholm sails again from 4 May.
2 It had been laid up since a fire in November.
#doc Fares
3 Route: Tessel to Arholm; Departure: 22:40; Fare: 38 euros.
q plain | When does the night ferry sail again? | 1
q para | why wasn't the overnight boat running over the winter | 2
q follow | And how much is it? << When does the ferry to Arholm leave? | 3
q none | How many people were hurt in the fire? | -
"""


def written(tmp_path: Path, text: str) -> list[folders.Folder]:
    (tmp_path / "ferry.txt").write_text(text, "utf-8")
    return folders.load(tmp_path)


def test_a_folder_is_read_with_its_documents_and_questions(tmp_path: Path) -> None:
    (ferry,) = written(tmp_path, FERRY)
    assert [(section.above, len(section.sentences)) for section in ferry.sections if section.sentences] == [
        ("Night ferry resumes > What changed", 2),
        ("Fares", 1),
    ]
    assert [asked.answered_by for asked in ferry.questions] == [{1}, {2}, {3}, set()]
    assert ferry.questions[2].text == "When does the ferry to Arholm leave? And how much is it?"  # as Footnote reads it


def test_a_question_is_marked_where_it_is_answered_and_nowhere_else(tmp_path: Path) -> None:
    (ferry,) = written(tmp_path, FERRY)
    numbers = {sentence: number for section in ferry.sections for number, sentence in section.sentences}
    made = [sample for seed in range(8) for sample in folders.samples([ferry], random.Random(seed))]
    for sample in made:
        asked = next(a for a in ferry.questions if a.text.lower().rstrip("?") == sample.query.lower().rstrip("?"))
        marked = {numbers[s] for s, mark in zip(sample.sentences, sample.answers, strict=True) if mark}
        assert marked == asked.answered_by & {numbers[sentence] for sentence in sample.sentences}
        assert sample.answerable is bool(marked)
    for asked in ferry.questions:
        of_it = [sample for sample in made if sample.query.lower().rstrip("?") == asked.text.lower().rstrip("?")]
        assert any(sample.answerable for sample in of_it) is bool(asked.answered_by)
        assert not all(sample.answerable for sample in of_it)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("q none | How deep is it? | 2", "numbers"),
        ("q plain | How deep is it? | -", "numbers"),
        ("q plain | How deep is it? | 9", "numbers"),
        ("q plain | How deep is it?", "not enough"),
        ("5 It is deep.", "out of turn"),
        ("It is deep.", "ferry.txt:12"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        written(tmp_path, FERRY.strip() + "\n" + line)
    assert "ferry.txt:12" in str(refused.value)


def test_the_folders_that_come_with_the_recipe_can_be_read_and_some_are_kept_out() -> None:
    every = folders.load()
    names = [folder.name for folder in every]
    assert len(names) == len(set(names)) > 0
    assert 0.05 < sum(folder.kept_out for folder in every) / len(every) < 0.15
    unanswered = [asked for folder in every for asked in folder.questions if not asked.answered_by]
    assert 0.15 < len(unanswered) / sum(len(folder.questions) for folder in every) < 0.4
