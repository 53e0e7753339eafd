"""The whole recipe, on a few made-up rows of every set: it trains, goes on from a checkpoint, exports, and is read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from index.encode import DEFAULT_MODEL, model_folder
from index.network import load_tokenizer
from rag.marks import Marks
from rag.read import OnnxReader
from training import judge
from training.batches import collate, encode
from training.checker import fit as fit_checker
from training.checkpoints import load, mean
from training.data import mix
from training.export import export
from training.model import RELATIONS, Reader
from training.train import loss_of, train
from training.types import Sample

PORTS = ("Lund", "York", "Kiel", "Gdynia", "Porto", "Turku")
PAIR_SETS = (
    "new_protocols/edit_premise_train", "new_protocols/contrast_train", "new_protocols/base_train",
    "new_protocols/edit_other_train", "new_protocols/paragraph_val", "fever_symmetric/dev", "cad_nli/train",
    "breaking_nli/all", "conjnli/train", "inli/train", "entailment_bank/train",
    "wice_train_dev/claim_dev_gold_evidence", "wice_train_dev/nonsupported_tokens_train", "fever_train/train",
)  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every set of the recipe, a dozen rows each, about harbours."""
    folder = tmp_path_factory.mktemp("sets")
    years = [(port, 1900 + i) for i, port in enumerate(PORTS)]
    claims = [
        (f"{port} harbour was opened in {year}.", f"The harbour of {port} was opened by its mayor in {year}.")
        for port, year in years
    ]
    asked = [
        {"question": f"When was {port} harbour opened?", "sentence": sentence, "label": label, "qid": port}
        for port, year in years
        for sentence, label in (
            ("Gulls live on the cliffs nearby.", 0),
            (f"The harbour of {port} opened in {year}.", 1),
            ("It is deep enough for ships.", 0),
        )
    ]  # fmt: skip
    passages = [
        {
            "question": f"When was {port} harbour opened?",
            "passage": f"{port} lies by the sea. It is a quiet town.",
            "label": label,
        }
        for port in PORTS
        for label in ("unanswerable_weak", "answerable")
    ]
    labels = ("entailment", "neutral", "contradiction")
    pairs = [
        {"premise": text, "hypothesis": claim, "label": labels[i % 3]} for i, (claim, text) in enumerate(claims * 2)
    ]
    for name in PAIR_SETS:
        write(folder / f"{name}.jsonl.gz", pairs)
    for part in ("train", "val"):
        rows = [{**pair, "evidence": pair["premise"], "premise": f"Gulls fly. {pair['premise']}"} for pair in pairs]
        write(folder / f"defacto/{part}.jsonl.gz", rows)
    for name in ("selqa/dev", "selqa/test", "covid_qa/v200423", "policyqa/dev", "policyqa/test",
                 "nq_oracle_litm/sentences_weak", "qed_dev/single_sentence"):  # fmt: skip
        write(folder / f"{name}.jsonl.gz", asked)
    for name in ("selqa/answerability_dev", "selqa/answerability_test", "covid_qa/answerability_v200423",
                 "nq_oracle_litm/answerability", "condaqa/dev", "condaqa/fewshot_test_all"):  # fmt: skip
        write(folder / f"{name}.jsonl.gz", passages)
    medical = [{**row, "focus": row["question"], "qtype": str(i)} for i, row in enumerate(passages)]
    write(folder / "medquad/pairs.jsonl.gz", medical)
    return folder


def test_every_set_is_in_the_mix_and_the_mix_is_repeatable(data: Path) -> None:
    samples = mix(data, frozenset({"open"}), seed=1)
    assert samples == mix(data, frozenset({"open"}), seed=1) != mix(data, frozenset({"open"}), seed=2)
    sources = {sample.source for sample in samples}
    assert sources >= {
        "selqa",
        "nq",
        "covid_qa",
        "policyqa",
        "condaqa",
        "medquad",
        "fever_q",
        "fever",
        "defacto",
        "edited",
    }
    for sample in samples:
        assert sample.sentences and (not sample.answers or len(sample.answers) == len(sample.sentences))
        assert sample.query and 0 < sample.weight <= 1


@pytest.mark.model
@pytest.mark.filterwarnings("ignore")  # torch warns of the exporter that works, and its tracer of branches
def test_it_trains_goes_on_is_judged_exports_and_is_read(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judge, "_QUESTIONS", 20)
    train(0, 1, data, tmp_path / "first", 0.0006, None)
    train(0, 1, data, tmp_path / "second", 0.0006, tmp_path / "first" / "checkpoint.pt")
    first, second = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("first", "second"))
    assert any(not torch.equal(first[name], second[name]) for name in first)
    last = json.loads((tmp_path / "second" / "log.jsonl").read_text().splitlines()[-1])
    assert set(last) >= {"new_protocols/paragraph_val", "fever_symmetric/dev"}
    capsys.readouterr()
    judge.main([str(data), *(str(tmp_path / name / "checkpoint.pt") for name in ("first", "second"))])
    judged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(one["reader"]).parent.name for one in judged] == ["first", "second"]
    trained = {measure: value for measure, value in last.items() if measure != "step"}
    del judged[1]["reader"]
    assert judged[1] == pytest.approx(trained, abs=0.15)  # the halves in which it was trained are not exact

    export([tmp_path / "second" / "checkpoint.pt"], tmp_path / "onnx")
    exported = OnnxReader(tmp_path / "onnx")
    question, sentences = "When was Lund harbour opened?", ("Gulls fly.", "The harbour of Lund was opened in 1911.")
    (reading,) = exported.read(question, [("Lund", sentences)])

    # The int8 export says nearly what the checkpoint says, from the same tokens.
    folder = model_folder(DEFAULT_MODEL)
    assert folder is not None
    reader = Reader(folder)
    reader.load_state_dict(second)
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    sample = Sample(question, sentences, title="Lund")
    ((logits, passage, _),) = judge.outputs(reader, [encode(tokenizer, Marks(tokenizer), sample)])
    assert reading.sentences == pytest.approx(tuple(float(logit) for logit in logits), abs=0.3)
    assert reading.passage == pytest.approx(passage, abs=0.3)

    # And a run can go on from it: each weight comes back, but for the step that int8 rounds to.
    back = load(tmp_path / "onnx" / "reader.onnx")
    assert set(back) == set(second)
    for name, weight in second.items():
        step = float(weight.max() - weight.min()) / 255
        assert torch.allclose(back[name], weight, atol=0.51 * step + 1e-7), name
    between = mean([tmp_path / "first" / "checkpoint.pt", tmp_path / "second" / "checkpoint.pt"])
    assert all(torch.allclose(between[name], (first[name] + second[name]) / 2, atol=1e-6) for name in first)
    train(0, 1, data, tmp_path / "third", 0.0003, tmp_path / "onnx" / "reader.onnx", passes=2)


@pytest.mark.model
def test_a_batch_teaches_each_head_only_what_it_says(data: Path) -> None:
    folder = model_folder(DEFAULT_MODEL)
    assert folder is not None
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    reader, marks = Reader(folder), Marks(tokenizer)

    def gradients(sample: Sample) -> set[str]:
        reader.zero_grad()
        batch = collate([encode(tokenizer, marks, sample)])
        loss_of(batch, *reader(**batch.inputs)).backward()  # type: ignore[no-untyped-call]
        heads = {"sentence": reader.sentence, "passage": reader.passage, "relation": reader.relation}
        return {
            name
            for name, head in heads.items()
            if any(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())
        }

    two = ("Gulls fly.", "It opened in 1911.")
    assert gradients(Sample("When?", two, (False, True), True)) == {"sentence", "passage"}
    assert gradients(Sample("It opened.", two, (), None, "entailment")) == {"relation"}
    assert gradients(Sample("It opened.", two, (), None, "not_entailment")) == {"relation"}
    assert RELATIONS == ("entailment", "neutral", "contradiction")


def test_the_checkers_weights_point_the_right_way() -> None:
    """Fitted to signs made by hand: support grows with what is covered and falls with what is missing."""
    chance = np.random.default_rng(1)
    rows = []
    for label in (True, False) * 60:
        shift = 0.3 if label else -0.3
        signs = chance.uniform(0.2, 0.8, size=8) + shift
        signs[[3, 4, 5]] = np.round(np.clip(0.5 - shift + chance.uniform(-0.3, 0.3, size=3), 0, 1))
        rows.append((signs, label, 1.0))
    fitted = fit_checker(rows)
    assert min(fitted.covered, fitted.covered_anywhere, fitted.pairs, fitted.cosine, fitted.entailed) >= 0
    assert max(fitted.number_missing, fitted.name_missing, fitted.opposed) <= 0
    assert fitted.covered > 0 > fitted.number_missing
