"""One contract for every encoder, run on the fake of the tests, on the export that serves and on the reference."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from api.compose import Footnote
from api.settings import Settings
from index.encode import (
    DEFAULT_MODEL,
    OnnxEncoder,
    TorchEncoder,
    has_gpu,
    load_encoder,
    model_folder,
    pool_sentences,
    resolve,
)
from index.errors import EncoderError, IncompatibleIndex
from index.types import EncodedPassage, Encoder, Vector
from rag.answer import final
from rag.types import Question
from tests.fakes import FakeEncoder
from tests.tiny import DIM, make_encoder

HARBOUR = "The harbour was opened in 1911. It cost 4.2 million crowns."
HARBOUR_SENTENCES = [(0, 31), (32, 59)]
TEXTS = [
    "",
    "Ropes are made of hemp.",
    HARBOUR,
    "Ærø is an island; 東京 is a city. 🚢🚢 naïve",
    "tab\tand\nnewline  and   blanks ",
    "x" * 150,
]


@pytest.fixture(scope="module")
def torch_encoder() -> TorchEncoder:
    return TorchEncoder(DEFAULT_MODEL, model_folder(DEFAULT_MODEL))


@pytest.fixture(scope="module")
def openvino_encoder(encoders: Path) -> Encoder:
    pytest.importorskip("openvino", reason="OpenVINO, an extra, is not installed")
    return load_encoder(DEFAULT_MODEL, encoders, "openvino")


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A tiny model of another dimension that wants a prompt before every text."""
    folder = make_encoder(tmp_path_factory.mktemp("models") / "tiny", {"query": "query: ", "document": "passage: "})
    return load_encoder(str(folder), folder.parent / "exports")


@pytest.fixture(
    params=[
        "fake",
        pytest.param("onnx", marks=pytest.mark.model),
        pytest.param("openvino", marks=pytest.mark.model),
        pytest.param("torch", marks=pytest.mark.model),
        pytest.param("prompted", marks=pytest.mark.model),
    ]
)
def encoder(request: pytest.FixtureRequest) -> Iterator[Encoder]:
    names = {"onnx": "real_encoder", "openvino": "openvino_encoder", "torch": "torch_encoder", "prompted": "prompted"}
    yield FakeEncoder() if request.param == "fake" else request.getfixturevalue(names[request.param])


def is_unit(vector: Vector) -> bool:
    return bool(np.isclose(np.linalg.norm(vector), 1.0, atol=1e-5))


def same(one: EncodedPassage, two: EncodedPassage) -> bool:
    return np.array_equal(one.passage, two.passage) and np.array_equal(one.sentences, two.sentences)


class TestContract:
    @pytest.mark.parametrize("text", TEXTS)
    def test_token_spans_are_ranges_of_the_text_in_order(self, encoder: Encoder, text: str) -> None:
        end = 0
        for start, stop in encoder.token_spans(text):
            assert end <= start <= stop <= len(text)
            end = start
        covered = {char for start, stop in encoder.token_spans(text) for char in range(start, stop)}
        assert covered <= set(range(len(text)))
        assert {i for i, char in enumerate(text) if char.isascii() and char.isalnum()} <= covered

    def test_a_long_text_is_not_cut(self, encoder: Encoder) -> None:
        text = " ".join(f"word{i}" for i in range(2000))
        spans = encoder.token_spans(text)
        assert len(spans) >= 2000 > encoder.window
        assert spans[-1][1] == len(text)

    def test_a_passage_and_its_sentences_are_unit_rows(self, encoder: Encoder) -> None:
        encoded = encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES)
        assert encoded.passage.shape == (encoder.dim,) and encoded.passage.dtype == np.float32
        assert encoded.sentences.shape == (2, encoder.dim) and encoded.sentences.dtype == np.float32
        assert is_unit(encoded.passage) and all(is_unit(row) for row in encoded.sentences)

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_there_is_a_row_for_every_sentence(self, encoder: Encoder, count: int) -> None:
        assert len(encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES[:count]).sentences) == count

    def test_a_passage_as_long_as_the_window_is_taken(self, encoder: Encoder) -> None:
        text = " ".join(["boat"] * encoder.window)
        assert len(encoder.token_spans(text)) == encoder.window
        assert is_unit(encoder.encode_passage(text, [(0, len(text))]).passage)

    def test_a_question_is_a_unit_vector_however_long(self, encoder: Encoder) -> None:
        for question in ("When was it opened?", "", "boat " * 3000, "🚢"):
            vector = encoder.encode_query(question)
            assert vector.shape == (encoder.dim,) and vector.dtype == np.float32
            assert is_unit(vector)

    def test_a_passage_is_nearest_to_what_it_says(self, encoder: Encoder) -> None:
        question = encoder.encode_query("When was the harbour opened?")
        harbour = encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES)
        ropes = encoder.encode_passage(TEXTS[1], [(0, len(TEXTS[1]))])
        assert question @ harbour.passage > question @ ropes.passage
        assert question @ harbour.sentences[0] > question @ harbour.sentences[1]

    def test_the_result_depends_on_nothing_else_that_is_encoded(self, encoder: Encoder) -> None:
        alone = encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES)
        question = encoder.encode_query("When?")
        encoder.encode_passage("boat " * 30, [(0, 149)])
        assert same(encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES), alone)
        with ThreadPoolExecutor(4) as pool:
            others = [pool.submit(encoder.encode_passage, f"Boat {i}. " * 3, [(0, 7)]) for i in range(8)]
            crowd = [pool.submit(encoder.encode_passage, HARBOUR, HARBOUR_SENTENCES) for _ in range(8)]
            assert all(same(future.result(), alone) for future in crowd)
            assert len({future.result().passage.tobytes() for future in others}) == 8
        assert np.array_equal(encoder.encode_query("When?"), question)

    def test_it_is_named_and_bounded(self, encoder: Encoder) -> None:
        assert encoder.name and encoder.fingerprint and encoder.dim > 0 and encoder.window > 8
        assert encoder.fingerprint == encoder.fingerprint


def test_a_token_belongs_to_the_sentence_it_starts_in() -> None:
    tokens = np.array([[1, 0], [0, 1], [0, 3]], dtype=np.float32)
    whole = np.array([1, 0], dtype=np.float32)
    rows = pool_sentences(tokens, [(0, 4), (5, 6), (6, 7)], [(0, 5), (5, 7), (7, 8)], whole)
    assert rows.tolist() == [[1, 0], [0, 1], [1, 0]]  # the last has no token of its own


@pytest.mark.model
def test_prompts_are_put_before_questions_and_passages(prompted: Encoder, tmp_path: Path) -> None:
    assert isinstance(prompted, TorchEncoder)  # the export knows nothing of prompts
    assert prompted.dim == DIM
    bare = TorchEncoder("bare", make_encoder(tmp_path / "bare"))
    as_passage = prompted.encode_passage(HARBOUR, HARBOUR_SENTENCES)
    text = f"passage: {HARBOUR}"
    shifted = bare.encode_passage(text, [(start + 9, end + 9) for start, end in HARBOUR_SENTENCES])
    assert np.allclose(as_passage.passage, shifted.passage, atol=1e-5)
    assert np.allclose(as_passage.sentences, shifted.sentences, atol=1e-5)
    assert np.allclose(prompted.encode_query("When?"), bare.encode_query("query: When?"), atol=1e-5)
    assert prompted.window == bare.window - len(bare.token_spans("passage: "))


@pytest.mark.model
def test_a_model_of_another_dimension_serves_from_end_to_end(folder: Path, tmp_path: Path) -> None:
    model = make_encoder(tmp_path / "tiny", {"query": "query: ", "document": "passage: "})
    footnote = Footnote(Settings(source=folder, data=tmp_path / "data", encoder=str(model), reader=False))
    footnote.rebuild(lambda *_: None)
    assert footnote.describe()["encoder"]["dim"] == DIM
    given = final(footnote.ask(Question("When was the harbour opened?")))
    assert given.passages
    footnote.close()
    other = Footnote(Settings(source=folder, data=tmp_path / "data"))
    with pytest.raises(IncompatibleIndex):
        list(other.ask(Question("When was the harbour opened?")))
    other.close()


@pytest.mark.model
@pytest.mark.parametrize(("runtime", "near"), [("real_encoder", 0.98), ("openvino_encoder", 0.99)])
def test_an_export_is_near_the_reference(
    request: pytest.FixtureRequest, runtime: str, near: float, torch_encoder: TorchEncoder
) -> None:
    export: Encoder = request.getfixturevalue(runtime)
    assert isinstance(export, OnnxEncoder)
    assert (export.dim, export.window) == (torch_encoder.dim, torch_encoder.window)
    assert export.fingerprint != torch_encoder.fingerprint
    for text in TEXTS:
        assert export.token_spans(text) == torch_encoder.token_spans(text)
    ours = export.encode_passage(HARBOUR, HARBOUR_SENTENCES)
    theirs = torch_encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES)
    assert ours.passage @ theirs.passage > near
    assert (ours.sentences * theirs.sentences).sum(axis=1).min() > near
    for question in ("When was the harbour opened?", "boat " * 3000):
        assert export.encode_query(question) @ torch_encoder.encode_query(question) > near


@pytest.mark.model
def test_runtimes_are_encoders_of_their_own(
    real_encoder: Encoder, openvino_encoder: Encoder, torch_encoder: TorchEncoder
) -> None:
    assert len({real_encoder.fingerprint, openvino_encoder.fingerprint, torch_encoder.fingerprint}) == 3


@pytest.mark.model
def test_a_short_text_is_read_as_the_network_for_every_length_reads_it(
    openvino_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["Who?", "When was the harbour opened, and by whom?", " ".join(["quay"] * 21), " ".join(["quay"] * 29)]
    short = [openvino_encoder.encode_query(text) for text in texts]
    monkeypatch.setattr("index.openvino_network._SHORT", ())
    every = [openvino_encoder.encode_query(text) for text in texts]
    assert np.allclose(short, every, atol=0.01)


@pytest.mark.model
def test_the_same_passage_is_the_same_on_every_thread(openvino_encoder: Encoder) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: openvino_encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES), range(16)))
    assert all(same(found[0], other) for other in found)


def test_without_openvino_its_runtime_is_refused_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # what Python takes for a module that is not there
    with pytest.raises(EncoderError, match="pip install"):
        load_encoder(DEFAULT_MODEL, tmp_path, "openvino")


def test_a_gpu_is_one_that_the_kernel_drives_and_torch_was_built_for(tmp_path: Path) -> None:
    assert not has_gpu(tmp_path / "none")
    driver = tmp_path / "version"
    driver.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module")
    assert has_gpu(driver) == torch_is_for_gpus()
    assert resolve("auto") in ("onnxruntime", "torch")
    assert resolve("openvino") == "openvino"


def torch_is_for_gpus() -> bool:
    told = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.version.cuda)"], capture_output=True, check=True
    )
    return told.stdout.strip() != b"None"


@pytest.mark.model
@pytest.mark.skipif(not has_gpu(), reason="there is no NVIDIA GPU that torch can use")
def test_on_a_gpu_the_reference_runs_there_and_agrees_with_the_export(tmp_path: Path, real_encoder: Encoder) -> None:
    encoder = load_encoder(DEFAULT_MODEL, tmp_path)
    assert isinstance(encoder, TorchEncoder)
    assert encoder.device == "cuda"
    ours = encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES)
    assert is_unit(ours.passage)
    assert ours.passage @ real_encoder.encode_passage(HARBOUR, HARBOUR_SENTENCES).passage > 0.98


@pytest.fixture
def exported(real_encoder: Encoder, encoders: Path, tmp_path: Path) -> Path:
    """A copy of the default model's export, free to be damaged; its parent is a cache."""
    name = real_encoder.fingerprint[:16]
    shutil.copytree(encoders / name, tmp_path / name)
    return tmp_path / name


@pytest.mark.model
def test_a_whole_export_is_loaded_again_with_the_same_fingerprint(exported: Path, real_encoder: Encoder) -> None:
    again = load_encoder(DEFAULT_MODEL, exported.parent)
    assert again.fingerprint == real_encoder.fingerprint
    assert np.array_equal(again.encode_query("When?"), real_encoder.encode_query("When?"))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.model
@pytest.mark.parametrize("damage", [_flip, _cut, Path.unlink])
@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_export_is_refused(exported: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(exported / name)
    with pytest.raises(EncoderError, match="Delete that folder"):
        load_encoder(DEFAULT_MODEL, exported.parent)


@pytest.mark.model
@pytest.mark.parametrize("card", ["", "[]", "{}", '{"parity": {}}', '{"parity": {"passed": true}}'])
def test_an_export_with_a_damaged_card_is_refused(exported: Path, card: str) -> None:
    (exported / "encoder.json").write_text(card)
    with pytest.raises(EncoderError, match="Delete that folder"):
        load_encoder(DEFAULT_MODEL, exported.parent)


@pytest.mark.model
def test_an_encoder_nobody_knows_is_refused_without_asking_the_network(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder("nobody/knows-this-model", tmp_path)


@pytest.mark.model
def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder(str(tmp_path / "model"), tmp_path / "encoders")
