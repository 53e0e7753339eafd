"""What a reader is offered to ask first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from index.build import build
from tests.api.conftest import Connect, assert_problem
from tests.conftest import World

FAQ = (
    "# When does the ferry Aurora sail?\n\nThe ferry Aurora sails at noon every Tuesday.\n\n"
    "# Who won the football world cup?\n\nNobody here can tell.\n\n"
    "# Which lamp lights the long quay?\n\nThe lamp that lights the long quay is a gas lamp.\n"
)


def test_what_is_suggested_is_answered(make_world: Callable[..., World], connect: Connect, folder: Path) -> None:
    (folder / "faq.md").write_text(FAQ)
    world = make_world(folder)
    world.build()
    client = connect(world.footnote)

    response = client.get("/v1/suggestions")

    questions = response.json()["questions"]
    assert response.headers["Footnote-Generation"] == response.json()["generation"] == "000001"
    assert 0 < len(questions) <= 4
    for question in questions:
        assert client.post("/v1/ask", json={"question": question}).json()["abstained"] is False
    assert "Who won the football world cup?" not in questions


def test_suggestions_are_those_of_the_live_generation(
    make_world: Callable[..., World], connect: Connect, folder: Path
) -> None:
    world = make_world(folder)
    world.build()
    client = connect(world.footnote)
    before = client.get("/v1/suggestions").json()
    assert client.get("/v1/suggestions").json() == before
    (folder / "faq.md").write_text(FAQ)
    world.build()
    after = client.get("/v1/suggestions").json()
    assert after["generation"] == "000002"
    assert "When does the ferry Aurora sail?" in set(after["questions"]) - set(before["questions"])


def test_with_nothing_indexed_there_is_nothing_to_suggest(
    make_world: Callable[..., World], connect: Connect, folder: Path
) -> None:
    assert_problem(connect(make_world(folder).footnote).get("/v1/suggestions"), 503, "Nothing is indexed yet")


def test_what_is_gone_from_an_index_that_was_extended_is_passed_over(
    make_world: Callable[..., World], connect: Connect, tmp_path: Path
) -> None:
    source = tmp_path / "boats"
    source.mkdir()
    for number in range(100):
        (source / f"{number:03}.txt").write_text(f"The boat number {number} was built by Ilse Brandt in 1911.")
    world = make_world(source)
    world.build()
    (source / "000.txt").write_text("The boat number 0 was burnt by nobody in 1912.")
    build(replace(world.footnote.build_options(), extend_from=10), world.encoder)
    told = connect(world.footnote).get("/v1/suggestions").json()
    assert told["generation"] == "000002", told
    with world.footnote.library.pin() as generation:
        assert list(generation.vectors.gone) == [0]
