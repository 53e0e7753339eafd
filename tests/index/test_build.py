"""What a build does, what it costs, and what it says of it."""

from __future__ import annotations

import os

import pytest

from index.generation import newest_whole
from tests.fakes import FakeEncoder
from tests.index.shelf import BROKEN_PDF, LAMPS, ROPES, TIDES, Shelf, counts


def texts(*documents: str) -> list[str]:
    return sorted(document.strip() for document in documents)


# -- each change costs what changed ----------------------------------------------------------------------------------


def test_the_first_build_takes_in_everything(empty_shelf: Shelf) -> None:
    empty_shelf.write("tides.txt", TIDES)
    empty_shelf.write("notes/lamps.txt", LAMPS)
    report = empty_shelf.build()
    assert empty_shelf.embedded == texts(TIDES, LAMPS)
    assert empty_shelf.texts() == {"notes/lamps.txt": LAMPS, "tides.txt": TIDES}
    assert (report.generation, report.published) == ("000001", True)
    assert report.added == ("notes/lamps.txt", "tides.txt")
    assert (report.documents, report.passages, report.sentences) == (2, 2, 4)
    assert (report.passages_embedded, report.passages_reused) == (2, 0)
    assert report.chars_embedded == len(TIDES.strip()) + len(LAMPS.strip())


def test_an_added_file_costs_itself(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended on Mondays.")
    report = shelf.build()
    assert shelf.embedded == ["Nets are mended on Mondays."]
    assert (report.added, report.unchanged, report.documents) == (("nets.txt",), 3, 4)
    assert shelf.ask("Who mended nets?")[0].passage.document.source == "nets.txt"


def test_a_changed_file_costs_the_passages_that_changed(shelf: Shelf) -> None:
    paragraph = "The warden counted {} boats, {} carts and {} barrels before the bell rang twice that day."
    lines = [paragraph.format(i, i * 3, i * 7) for i in range(12)]
    shelf.write("log.txt", "\n\n".join(lines))
    first = shelf.build()
    lines[5] = "The warden was ill and counted nothing at all before the bell rang twice that day."
    shelf.write("log.txt", "\n\n".join(lines))
    report = shelf.build()
    assert report.changed == ("log.txt",) and report.added == ()
    assert 1 <= report.passages_embedded <= 3 < first.passages_embedded
    assert any(lines[5] in text for text in shelf.embedded)
    assert len(shelf.embedded) == report.passages_embedded


def test_an_encoder_that_goes_by_another_name_is_written_down(shelf: Shelf) -> None:
    """The server refuses an index whose encoder it does not know by name; a build must mend that."""
    named = FakeEncoder()
    named.name = "moved"
    report = shelf.build(named)
    assert (report.published, report.passages_embedded) == (True, 0)
    with shelf.open() as generation:
        assert generation.manifest.encoder["name"] == "moved"


def test_a_renamed_file_costs_nothing(shelf: Shelf) -> None:
    (shelf.source / "tides.txt").rename(shelf.source / "moon.txt")
    report = shelf.build()
    assert shelf.embedded == []
    assert (report.renamed, report.added, report.deleted) == ((("tides.txt", "moon.txt"),), (), ())
    assert (report.passages_embedded, report.passages_reused, report.unchanged) == (0, 3, 2)
    assert set(shelf.texts()) == {"lamps.txt", "moon.txt", "ropes.txt"}


def test_a_deleted_file_is_gone_from_answers_and_soon_from_the_disk(shelf: Shelf) -> None:
    (shelf.source / "tides.txt").unlink()
    report = shelf.build()
    assert (shelf.embedded, report.deleted, report.documents) == ([], ("tides.txt",), 2)
    assert all(hit.passage.document.source != "tides.txt" for hit in shelf.ask("When does the tide turn?"))
    shelf.write("nets.txt", "Nets are mended.")
    shelf.build()
    assert not any(b"tide turns" in path.read_bytes() for path in shelf.data.rglob("*") if path.is_file())


def test_the_same_text_under_two_names_is_embedded_once_and_found_once(shelf: Shelf) -> None:
    shelf.write("copy.txt", TIDES)
    report = shelf.build()
    assert shelf.embedded == []
    assert report.duplicates == (("tides.txt", "copy.txt"),)
    assert (report.documents, report.passages) == (4, 3)
    found = [hit.passage for hit in shelf.ask("When does the tide turn?")]
    assert [passage.text for passage in found].count(TIDES) == 1
    assert found[0].document.source == "copy.txt"  # the first of the two
    with shelf.open() as generation:
        documents = {doc.source: doc.duplicate_of for doc in generation.store.documents()}
        assert documents == {"copy.txt": "", "lamps.txt": "", "ropes.txt": "", "tides.txt": "copy.txt"}
        (tides,) = generation.store.resolve(["tides.txt"])
        (passage,) = generation.store.passages([found[0].row], among=[tides])
        assert passage.document.source == "tides.txt"  # asked for by name, it is shown by that name


def test_the_same_text_in_other_bytes_is_named_as_a_duplicate_too(shelf: Shelf) -> None:
    shelf.write("bom.txt", b"\xef\xbb\xbf" + TIDES.encode())
    report = shelf.build()
    assert (shelf.embedded, report.duplicates) == ([], (("tides.txt", "bom.txt"),))


def test_text_that_comes_back_is_not_parsed_while_it_is_known(shelf: Shelf, parsed: list[bytes]) -> None:
    shelf.write("again.txt", LAMPS)
    (shelf.source / "tides.txt").write_text(ROPES)
    report = shelf.build()
    assert parsed == [] and shelf.embedded == []
    assert (report.changed, report.added) == (("tides.txt",), ("again.txt",))


def test_one_build_may_find_all_of_it_at_once(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    shelf.write("lamps.txt", "The lamp is out.")
    (shelf.source / "tides.txt").rename(shelf.source / "moon.txt")
    (shelf.source / "ropes.txt").unlink()
    report = shelf.build()
    assert shelf.embedded == ["Nets are mended.", "The lamp is out."]
    assert (report.added, report.changed, report.deleted) == (("nets.txt",), ("lamps.txt",), ("ropes.txt",))
    assert report.renamed == (("tides.txt", "moon.txt"),)
    assert report.unchanged == 0


# -- no change --------------------------------------------------------------------------------------------------------


def test_without_a_change_nothing_is_read_embedded_or_published(shelf: Shelf, read_files: list[str]) -> None:
    before = shelf.files()
    report = shelf.build()
    assert (read_files, shelf.embedded) == ([], [])
    assert (report.published, report.generation, report.unchanged) == (False, "000001", 3)
    assert [name for name, seen in shelf.files().items() if seen != before.get(name)] == ["ingest-report.json"]


def test_a_touch_without_a_change_embeds_and_publishes_nothing(shelf: Shelf, read_files: list[str]) -> None:
    os.utime(shelf.source / "tides.txt", (1, 1))
    report = shelf.build()
    assert read_files == ["tides.txt"]  # only its bytes can tell
    assert (shelf.embedded, report.published, report.changed) == ([], False, ())


def test_a_change_that_keeps_size_and_time_is_found(shelf: Shelf) -> None:
    path = shelf.source / "tides.txt"
    before = path.stat()
    path.write_text(TIDES.replace("noon", "nine"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert shelf.build().changed == ("tides.txt",)


def test_full_starts_from_nothing(shelf: Shelf) -> None:
    report = shelf.build(full=True)
    assert shelf.embedded == texts(TIDES, LAMPS, ROPES)
    assert (report.generation, report.published, report.passages_reused) == ("000002", True, 0)


# -- a plan -----------------------------------------------------------------------------------------------------------


def test_a_plan_writes_nothing_and_says_what_the_build_then_does(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    shelf.write("broken.pdf", BROKEN_PDF)
    shelf.write("copy.txt", ROPES)
    shelf.write("lamps.txt", "The lamp is out.")
    (shelf.source / "tides.txt").rename(shelf.source / "moon.txt")
    before = shelf.files()
    plan = shelf.build(plan=True)
    assert (shelf.files(), shelf.embedded) == (before, [])
    assert (plan.generation, plan.published) == ("", False)
    report = shelf.build()
    assert counts(plan) == counts(report)
    assert report.published and len(report.added) == 2


def test_a_plan_for_a_new_index_leaves_none_behind(empty_shelf: Shelf) -> None:
    empty_shelf.write("tides.txt", TIDES)
    plan = empty_shelf.build(plan=True)
    assert (plan.added, plan.passages_embedded) == (("tides.txt",), 1)
    assert empty_shelf.files() == {} and empty_shelf.layout.names() == []


# -- other encoders, other rules --------------------------------------------------------------------------------------


def test_another_encoder_embeds_everything_anew(shelf: Shelf) -> None:
    other = FakeEncoder("other", dim=32)
    report = shelf.build(other)
    assert shelf.embedded == texts(TIDES, LAMPS, ROPES)
    assert (report.published, report.passages_reused) == (True, 0)
    assert (report.added, report.changed, report.deleted, report.unchanged) == ((), (), (), 3)
    with shelf.open() as generation:
        assert generation.manifest.encoder["fingerprint"] == other.fingerprint
        assert generation.vectors.rows([0]).shape == (1, 32)


class LetterEncoder(FakeEncoder):
    """Every letter is a token: the same window holds less."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [(i, i + 1) for i, char in enumerate(text) if not char.isspace()]


def test_another_encoder_cuts_by_its_own_tokens(shelf: Shelf) -> None:
    shelf.build(LetterEncoder("letters"))  # the fake refuses a passage longer than its window
    with shelf.open() as generation:
        assert generation.store.longest_passage() <= 40
        assert all(covered == chars for _, chars, covered, _ in generation.store.coverage())


def test_other_passage_rules_cut_anew_and_embed_what_came_out_new(shelf: Shelf) -> None:
    shelf.write("note.txt", "Short.")
    shelf.build()
    report = shelf.build(max_tokens=8)
    with shelf.open() as generation:
        assert generation.store.longest_passage() <= 8
    assert report.published and "Short." not in shelf.embedded
    assert report.passages_reused == 1
    assert (report.added, report.changed, report.unchanged) == ((), (), 4)
    assert shelf.texts()["tides.txt"] == TIDES


def test_a_window_wider_than_the_encoder_has_is_the_encoders(shelf: Shelf) -> None:
    assert shelf.build(max_tokens=10_000).published is False


# -- after a crash or damage ------------------------------------------------------------------------------------------


def test_what_an_interrupted_build_left_is_swept_even_when_there_is_nothing_to_do(shelf: Shelf) -> None:
    stray = shelf.layout.generations / ".staging-abc"
    (stray / "lexical").mkdir(parents=True)
    (stray / "documents.db").write_bytes(b"half a file")
    (shelf.data / "CURRENT.tmp").write_text("000009 ")
    assert shelf.build().published is False
    assert not stray.exists() and not (shelf.data / "CURRENT.tmp").exists()


@pytest.mark.parametrize("content", [None, b"", b"junk", b"000007 " + b"0" * 64, b"\xff\xfe\x00"])
def test_a_damaged_current_is_mended_without_embedding_anything(shelf: Shelf, content: bytes | None) -> None:
    if content is None:
        shelf.layout.current.unlink()
    else:
        shelf.layout.current.write_bytes(content)
    report = shelf.build()
    assert (report.published, report.generation, shelf.embedded) == (True, "000002", [])
    assert shelf.live == "000002"


def test_a_current_with_a_damaged_hash_is_mended(shelf: Shelf) -> None:
    shelf.layout.current.write_text(f"000001 {'0' * 64}\n")
    assert shelf.build().published is True
    assert (shelf.live, newest_whole(shelf.layout)[0]) == ("000002", "000002")


def test_a_damaged_live_generation_is_replaced_from_the_one_before(shelf: Shelf) -> None:
    shelf.write("nets.txt", "Nets are mended.")
    shelf.build()
    (shelf.live_folder / "vectors.faiss").write_bytes(b"junk")
    report = shelf.build()
    assert (report.generation, shelf.embedded) == ("000003", ["Nets are mended."])
    assert shelf.ask("mended nets")[0].passage.document.source == "nets.txt"


def test_what_is_written_is_for_the_owner_alone(shelf: Shelf) -> None:
    assert shelf.data.stat().st_mode & 0o077 == 0
