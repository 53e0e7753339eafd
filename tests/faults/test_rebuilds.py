"""A build with nothing to do does nothing; one under other rules, with another encoder or of another format mixes
nothing of the two."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from index.errors import IncompatibleIndex
from index.live import Library
from index.types import Vector
from tests.fakes import FakeEncoder
from tests.faults.campaign import Campaigns
from tests.faults.ruin import page
from tests.index.shelf import Shelf

_SEED = 14


def some_folder(shelf: Shelf, chance: random.Random) -> None:
    """Pages, copies, tables, files with nothing to read in them, odd names, old times."""
    for number in range(chance.randrange(1, 12)):
        text = page(chance.randrange(20))
        name = chance.choice(("{}.md", "deep/er/{}.txt", "{} ü\N{SHIP}.md", "-{}.txt")).format(number)
        shelf.write(name, text)
        if chance.random() < 0.3:
            shelf.write(f"copy-{name.replace('/', '-')}", text)
    shelf.write("always.csv", "ware,crowns\nrope,12\n")
    if chance.random() < 0.5:
        shelf.write("empty.txt", "")
        shelf.write("picture.txt", b"\x89PNG\0\0" + chance.randbytes(40))
    if chance.random() < 0.3:
        (shelf.source / "link.txt").symlink_to(shelf.source / "always.csv")


def test_a_build_with_nothing_to_do_does_nothing(tmp_path: Path, campaign: Campaigns) -> None:
    with campaign("R14", "nothing changed since the last build", push=2, release=10) as trials:
        for trial in trials:
            shelf = Shelf(tmp_path / f"documents-{trial}", tmp_path / f"data-{trial}")
            some_folder(shelf, random.Random(f"{_SEED} {trial}"))
            shelf.build()
            before, generations = shelf.files(), shelf.layout.names()
            for _ in range(3):
                report = shelf.build()
                assert (shelf.embedded, report.published, report.passages_embedded) == ([], False, 0), trial
                assert shelf.layout.names() == generations == [shelf.live], trial
                assert {**shelf.files(), **_report(before)} == before, trial


def _report(files: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """The entry of the report, which each build writes."""
    return {"ingest-report.json": files["ingest-report.json"]}


def test_a_build_that_forgot_what_it_knew_would_be_seen(tmp_path: Path, campaign: Campaigns) -> None:
    shelf = Shelf(tmp_path / "documents", tmp_path / "data")
    some_folder(shelf, random.Random(_SEED))
    shelf.build()
    report = shelf.build(full=True)
    forgot = bool(shelf.embedded) and report.published and shelf.live == "000002"
    campaign.control("R14", "what the last build knew", failed=int(forgot), of=1)


# -- other rules ------------------------------------------------------------------------------------------------------

Change = Callable[[pytest.MonkeyPatch, Shelf], FakeEncoder]
"""Makes the next build one of another Footnote, or with another model; returns its encoder."""


def _format(step: int) -> Change:
    def change(patch: pytest.MonkeyPatch, shelf: Shelf) -> FakeEncoder:
        path = shelf.live_folder / "MANIFEST.json"
        body = json.loads(path.read_text())
        del body["checksum"]
        body["format"] += step
        text = json.dumps({**body, "checksum": sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()})
        path.write_text(text)
        shelf.layout.current.write_text(f"{shelf.live} {sha256(text.encode()).hexdigest()}\n")
        return FakeEncoder()

    return change


def _rules(name: str, value: str) -> Change:
    def change(patch: pytest.MonkeyPatch, _: Shelf) -> FakeEncoder:
        patch.setattr(f"index.ingest.{name}", value)
        return FakeEncoder()

    return change


class OtherVectors(FakeEncoder):
    """The same name, dimensions and window; another model all the same."""

    def __init__(self, fingerprint: str = "fake-64-40-retrained") -> None:
        super().__init__()
        self.fingerprint = fingerprint

    def _word(self, word: str) -> Vector:
        return super()._word(word + " as another model has it")


def _model(encoder: Callable[[], FakeEncoder]) -> Change:
    return lambda patch, shelf: encoder()


CHANGES: Mapping[str, Change] = {
    "an older format": _format(-1),
    "a newer format": _format(+1),
    "older parsers": _rules("PARSER_VERSION", "1"),
    "newer parsers": _rules("PARSER_VERSION", "99"),
    "older passage rules": _rules("PASSAGE_RULES_VERSION", "2.1"),
    "newer passage rules": _rules("PASSAGE_RULES_VERSION", "99.1"),
    "another model of the same name": _model(OtherVectors),
    "another window": _model(lambda: FakeEncoder(window=12)),
    "other dimensions": _model(lambda: FakeEncoder(dim=32)),
}


def fared(shelf: Shelf) -> list[tuple[str, str, bytes]]:
    """Every passage with its text and its vector, as the index has them."""
    with shelf.open() as generation:
        rows = range(len(generation.vectors))
        return [
            (passage.passage_id, passage.text, generation.vectors.rows([passage.row])[0].tobytes())
            for passage in generation.store.passages(rows)
        ]


@pytest.mark.parametrize("extend_from", [5_000, 1], ids=["anew", "extending"])
def test_what_was_made_by_other_rules_is_built_anew_and_never_mixed(
    tmp_path: Path, campaign: Campaigns, extend_from: int
) -> None:
    way, names = ("anew", list(CHANGES)) if extend_from > 1 else ("extending", list(CHANGES)[::-1])
    push = len(names) if extend_from > 1 else 3
    with campaign("R17", f"format, model or rules change ({way})", push=push, release=50) as trials:
        for trial in trials:
            name = names[trial % len(names)]
            shelf = Shelf(tmp_path / f"documents-{trial}", tmp_path / f"data-{trial}")
            some_folder(shelf, random.Random(f"{_SEED} {trial}"))
            shelf.build(extend_from=extend_from)
            with pytest.MonkeyPatch.context() as patch:
                encoder = CHANGES[name](patch, shelf)
                shelf.write("new.md", "A new page on the old quay.")
                report = shelf.build(encoder, extend_from=extend_from)
                assert report.published, (trial, name)
                clean = Shelf(shelf.source, tmp_path / f"clean-{trial}")
                clean.build(encoder)
                assert fared(shelf) == fared(clean), (trial, name)
                again = shelf.build(encoder, extend_from=extend_from)
                assert not again.published, (trial, name)
            back = shelf.build(extend_from=extend_from)  # the old Footnote, or the old model, comes back
            assert back.published == ("format" not in name), (trial, name)
            assert fared(shelf) == fared(rebuilt(shelf, tmp_path / f"old-{trial}")), (trial, name)


def rebuilt(shelf: Shelf, data: Path) -> Shelf:
    other = Shelf(shelf.source, data)
    other.build()
    return other


def test_a_server_refuses_what_another_format_or_encoder_made(tmp_path: Path) -> None:
    for trial, name in enumerate(("an older format", "a newer format")):
        shelf = Shelf(tmp_path / f"documents-{trial}", tmp_path / f"data-{trial}")
        some_folder(shelf, random.Random(_SEED))
        shelf.build()
        with pytest.MonkeyPatch.context() as patch:
            CHANGES[name](patch, shelf)
        library = Library(shelf.data, encoder="fake")
        with pytest.raises(IncompatibleIndex, match="footnote index"), library.pin():
            pass
        library.close()


def test_vectors_taken_over_from_another_model_would_be_seen(tmp_path: Path, campaign: Campaigns) -> None:
    """A model that changes without its fingerprint doing so is what the fingerprint is for."""
    shelf = Shelf(tmp_path / "documents", tmp_path / "data")
    some_folder(shelf, random.Random(_SEED))
    shelf.build()
    retrained = OtherVectors(FakeEncoder().fingerprint)
    shelf.write("new.md", "A new page on the old quay.")
    shelf.build(retrained)
    clean = Shelf(shelf.source, tmp_path / "clean")
    clean.build(retrained)
    mixed = fared(shelf) != fared(clean)
    campaign.control("R17", "the fingerprint of the model", failed=int(mixed), of=1)
