"""Errors say what happened and what to do, and every one of them is accounted for."""

from __future__ import annotations

import ast
import inspect
import pickle
from pathlib import Path

import pytest

import index.errors
from index.errors import SKIP_REASONS, CorruptGeneration, FootnoteError, SkipFile

SOURCES = Path(index.errors.__file__).parent
ERRORS = [
    value
    for value in vars(index.errors).values()
    if inspect.isclass(value) and issubclass(value, FootnoteError) and value is not FootnoteError
]


def test_the_tree_in_the_docstring_names_every_error_and_no_other() -> None:
    tree = [line.split()[1] for line in (index.errors.__doc__ or "").splitlines() if line.startswith(("├", "└"))]
    assert tree == sorted(tree, key=tree.index) and set(tree) == {error.__name__ for error in ERRORS}


def test_an_error_reads_as_its_message_and_its_remedy() -> None:
    error = CorruptGeneration("A file is damaged.", remedy="Build it again.")
    assert str(error) == "A file is damaged. Build it again."
    assert str(CorruptGeneration("A file is damaged.")) == "A file is damaged."


@pytest.mark.parametrize("kind", [error for error in ERRORS if error is not SkipFile])
def test_an_error_crosses_from_one_process_to_another_whole(kind: type[FootnoteError]) -> None:
    there = pickle.loads(pickle.dumps(kind("It broke.", remedy="Mend it.")))
    assert type(there) is kind and (there.message, there.remedy) == ("It broke.", "Mend it.")


def test_a_skipped_file_crosses_with_its_reason() -> None:
    there = pickle.loads(pickle.dumps(SkipFile("empty", "not a word in it")))
    assert (there.reason, there.detail) == ("empty", "not a word in it")
    assert SkipFile("empty").detail == "the file holds no text"


def test_every_reason_is_used_and_every_reason_used_is_explained() -> None:
    used: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        if path.name == "errors.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in SKIP_REASONS:
                used.add(str(node.value))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "SkipFile" and node.args:
                reason = node.args[0]
                assert not isinstance(reason, ast.Constant) or reason.value in SKIP_REASONS
    assert used == set(SKIP_REASONS)
    assert all(SKIP_REASONS.values())


def test_a_reason_nobody_explained_is_refused() -> None:
    with pytest.raises(AssertionError):
        SkipFile("bad_weather")
