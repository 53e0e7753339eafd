"""What speed benchmarks are made of: texts, evidence, vectors, counts, charts."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.benchmarks.files import write_documents
from eval.benchmarks.peers.run import cut
from eval.benchmarks.speed.chart import draw
from eval.benchmarks.speed.curves import draw_curves
from eval.benchmarks.speed.evidence import evidence_found
from eval.benchmarks.speed.machine import describe_machine
from eval.benchmarks.speed.products import Dimensions, read_dimensions, write_product
from eval.benchmarks.speed.synthetic import SyntheticEncoder, load_synthetic
from eval.benchmarks.speed.text import compose, pieces, read_text
from eval.benchmarks.speed.types import Curves, Panel, latency, number, spread
from index.network import Network
from tests.eval.sets import write_sets

# -- text --------------------------------------------------------------------------------------------------------------


def test_the_questions_of_a_set_come_with_the_file_and_text_that_answer(tmp_path: Path) -> None:
    text = read_text(write_sets(tmp_path), tmp_path / "data")
    assert text.name == "chunking_eval"
    assert text == read_text(tmp_path / "chunking_eval", tmp_path / "data")  # the set itself may be named too
    assert text.questions
    for asked in text.questions:
        assert asked.gold
        assert all(quote in text.plain[source] for source, quote in asked.gold)


def test_a_folder_s_own_sentences_are_asked(folder: Path) -> None:
    (folder / "index").mkdir()
    (folder / "index" / "kept.txt").write_text("What an index keeps is no document of the folder.")
    text = read_text(folder, folder / "index")
    assert set(text.files) == {"harbour.txt", "emoji.md", "hostile.html"}
    assert "The harbour was opened in 1911 by Mayor Ilse Brandt." in [asked.question for asked in text.questions]
    assert all(asked.gold == () for asked in text.questions)
    assert text.characters == sum(len(plain) for plain in text.plain.values())


@given(
    st.text("ab. \n", max_size=300),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), max_size=5),
    st.integers(4, 60),
)
def test_pieces_tile_a_text_and_cut_no_gold(text: str, spans: list[tuple[int, int]], size: int) -> None:
    gold = [(start, start + length) for start, length in spans if start + length <= len(text)]
    found = pieces(text, gold, size)
    assert "".join(text[start:end] for start, end in found) == text
    for _, cut_at in found[:-1]:
        assert not any(start < cut_at < end for start, end in gold)


def test_a_composed_document_is_always_the_same_and_like_no_other() -> None:
    pool = [f"Sentence number {i} is about a harbour." for i in range(50)]
    assert compose(pool, 7) == compose(pool, 7)
    assert compose(pool, 7) != compose(pool, 8)
    assert compose(pool, 7) != compose(pool, 7, seed=1)


def test_a_folder_is_given_these_documents_and_no_other(tmp_path: Path) -> None:
    write_documents(tmp_path, {"a.txt": b"one", "below/b.txt": b"two"})
    before = (tmp_path / "a.txt").stat().st_mtime_ns
    write_documents(tmp_path, {"a.txt": b"one", "c.txt": b"three"})
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {"a.txt", "c.txt"}
    assert (tmp_path / "a.txt").stat().st_mtime_ns == before


# -- evidence ----------------------------------------------------------------------------------------------------------

TEXTS = {"harbour.txt": "The harbour was opened in 1911.\n\nIt cost 4.2 million crowns."}
GOLD = [("harbour.txt", "opened in 1911"), ("harbour.txt", "4.2 million crowns")]


@pytest.mark.parametrize(
    ("retrieved", "recall", "whole"),
    [
        ([("harbour.txt", "The harbour was opened in 1911. It cost")], 12 / 28, 1.0),  # other white space
        ([("harbour.txt", "The harbour was opened"), ("harbour.txt", "in 1911.")], 12 / 28, 1.0),  # in two parts
        ([("harbour.txt", "It cost 4.2 million")], 10 / 28, 0.0),
        ([], 0.0, 0.0),
    ],
)
def test_evidence_is_where_the_text_stands(retrieved: list[tuple[str, str]], recall: float, whole: float) -> None:
    found = evidence_found([GOLD], [retrieved], TEXTS)
    assert found is not None
    assert (found.recall, found.whole) == pytest.approx((recall, whole))
    assert found.unplaced == 0


def test_what_is_in_no_document_is_counted_and_finds_nothing() -> None:
    found = evidence_found([GOLD], [[("harbour.txt", "opened in the year 1911"), ("other.txt", "in 1911")]], TEXTS)
    assert found is not None
    assert (found.recall, found.unplaced) == (0.0, 2)


def test_a_question_without_gold_does_not_count() -> None:
    assert evidence_found([()], [[("harbour.txt", "It cost")]], TEXTS) is None


@given(st.lists(st.tuples(st.just("a"), st.text(max_size=20)), max_size=8), st.integers(0, 60))
def test_no_more_is_kept_than_the_budget(retrieved: list[tuple[str, str]], budget: int) -> None:
    kept = cut(retrieved, budget)
    assert "".join(text for _, text in kept) == "".join(text for _, text in retrieved)[:budget]


# -- vectors -----------------------------------------------------------------------------------------------------------


def test_a_synthetic_sentence_is_near_its_own_vector_whatever_stands_around_it(tmp_path: Path) -> None:
    pool = [f"Sentence {i}." for i in range(8)]
    np.eye(8, 64, dtype=np.float32).tofile(tmp_path / "pool.f32")
    (tmp_path / "pool.txt").write_text("\n".join(pool) + "\n")
    encoder = load_synthetic(tmp_path / "pool", 32)
    text = "Sentence 3. And another."
    encoded = encoder.encode_passage(text, [(0, 11), (12, 24)])
    cosines = [float(encoded.sentences[0] @ encoder.encode_query(sentence)) for sentence in pool]
    assert int(np.argmax(cosines)) == 3
    assert np.linalg.norm(encoded.sentences, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(encoded.passage) == pytest.approx(1, abs=1e-5)
    again = load_synthetic(tmp_path / "pool", 32)
    assert again.fingerprint == encoder.fingerprint
    assert (again.encode_passage(text, [(0, 11), (12, 24)]).passage == encoded.passage).all()


@given(st.text(max_size=60))
def test_synthetic_tokens_are_in_order_and_hold_all_that_is_not_white(text: str) -> None:
    spans = SyntheticEncoder(np.eye(4, dtype=np.float32), []).token_spans(text)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert "".join(text[start:end] for start, end in spans) == "".join(text.split())


# -- products ----------------------------------------------------------------------------------------------------------


def test_operations_a_token_are_those_of_the_layers(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536}')
    dimensions = read_dimensions(tmp_path)
    assert dimensions.weights_per_token == 21_233_664  # MiniLM-L6
    assert dimensions.attention_per_token(100) == 2 * 6 * 2 * 100 * 384
    assert Dimensions(1, 2, 3).weights_per_token == 2 * (4 * 4 + 2 * 6)
    (tmp_path / "config.json").write_text('{"hidden_size": 384}')
    with pytest.raises(ValueError, match="num_hidden_layers"):
        read_dimensions(tmp_path)


def test_a_product_of_bytes_is_that_of_the_numbers_they_stand_for(tmp_path: Path) -> None:
    digest = write_product(tmp_path / "product.onnx", 3, 5, 2, "int8")
    (weights, *_) = onnx.load(tmp_path / "product.onnx").graph.initializer
    right = onnx.numpy_helper.to_array(weights).astype(np.int64)
    left = np.arange(15, dtype=np.uint8).reshape(3, 5)
    (product,) = Network(tmp_path / "product.onnx", digest).run({"input_ids": left})
    assert (product == (left.astype(np.int64) - 128) @ right).all()


# -- what is told ------------------------------------------------------------------------------------------------------


def test_percentiles_are_in_milliseconds() -> None:
    found = latency([0.001 * i for i in range(1, 102)])
    assert (found.p50_ms, found.p95_ms, found.p99_ms, found.n) == (51, 96, 100, 101)
    assert spread([3, 1, 2]).median == 2
    with pytest.raises(ValueError, match="nothing"):
        spread([])


@pytest.mark.parametrize(
    ("value", "shown"), [(1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23"), (0.5, "0.50"), (0.00123, "0.00123")]
)
def test_a_number_has_three_figures(value: float, shown: str) -> None:
    assert number(value) == shown


def test_curves_are_logarithmic_and_say_every_value() -> None:
    """Ten times the cost at ten times the size is a line as steep as the dashed one."""
    sizes = (1_000.0, 10_000.0, 100_000.0)
    steep, flat = (2.0, 20.0, 200.0), (3.0, 6.0, 12.0)
    panels = [Curves("Built <all>", "s", sizes, (("one & only", steep), ("other", flat))), Curves("Empty", "", (), ())]
    root = ElementTree.fromstring(draw_curves(panels, "2 cores"))
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Built <all>, s", "one & only", "2.00", "200", "6.00", "1k", "100k", "2 cores"} <= set(words)
    drawn = {node.get("class"): node.get("d", "") for node in root.iter("{http://www.w3.org/2000/svg}path")}

    def slopes(path: str) -> list[float]:
        places = [tuple(map(float, place.split())) for place in path.removeprefix("M").split("L")]
        return [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(places)]

    (proportion,) = slopes(drawn["p"])
    assert proportion < 0  # up, on a screen
    assert slopes(drawn["l l0"]) == pytest.approx([proportion] * 2, rel=0.01)
    assert all(proportion < slope < 0 for slope in slopes(drawn["l l1"]))


@pytest.mark.parametrize("values", [(5.0,), (5.0, 5.0), (0.001, 900.0)])
def test_curves_of_few_or_equal_values_are_drawn(values: tuple[float, ...]) -> None:
    sizes = tuple(10.0 ** (3 + i) for i in range(len(values)))
    root = ElementTree.fromstring(draw_curves([Curves("Search", "ms", sizes, (("", values),))], ""))
    circles = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == len(values)
    assert all(50 < float(circle.get("cy", 0)) < 250 and 40 < float(circle.get("cx", 0)) < 680 for circle in circles)


def test_a_chart_is_xml_with_a_bar_for_each_value() -> None:
    panels = [Panel("Text <indexed>", "kB/s", (("Footnote", 40.0), ("other & co", 20.0))), Panel("Empty", "", ())]
    root = ElementTree.fromstring(draw(panels, "2 cores"))
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    assert [float(bar.attrib["width"]) for bar in bars] == [380.0, 190.0]
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Text <indexed>", "Footnote", "other & co", "20.0 kB/s", "2 cores"} <= set(words)


def test_a_machine_is_described_by_what_decides_its_speed(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name : Quick One\nflags : fpu avx2 avx512_vnni\n")
    (tmp_path / "meminfo").write_text("MemTotal:  2097152 kB\n")
    (tmp_path / "loadavg").write_text("0.25 0.10 0.05 1/100 4711\n")
    machine = describe_machine(tmp_path)
    assert (machine.cpu, machine.flags) == ("Quick One", ("avx2", "avx512_vnni"))
    assert (machine.memory_mb, machine.load_before) == (2048, 0.25)
    assert "onnxruntime" in machine.libraries
