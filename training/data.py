"""The public sets in DATA, read and mixed into training samples. How much of each, and why, is in MODEL_CARD.md."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from eval.edits import falsified, mistaken, names_in
from eval.questions import questions, subject_of
from index.sentences import split
from index.types import Place, Segment
from training import folders
from training.types import Relation, Sample

_RELATIONS: dict[str, Relation] = {
    "entailment": "entailment", "neutral": "neutral", "neutral_weak": "neutral", "contradiction": "contradiction",
    "not_entailment": "not_entailment", "partially_supported": "not_entailment",
}  # fmt: skip
_WEAK = 0.5  # weight of a sample whose label a rule made
_MISTAKEN = 0.3  # of the answered questions that can be asked wrongly, the share that is, too

Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def sentences_of(text: str) -> tuple[str, ...]:
    text = " ".join(text.split())
    spans = split(text, Segment(0, len(text), "prose", Place()))
    return tuple(text[span.start : span.end] for span in spans)


def mix(folder: Path, words: Set[str], seed: int, share: float = 1.0) -> list[Sample]:
    """All samples of one run, shuffled. ``share`` scales every set, for a run that only shows that the recipe works."""
    chance = random.Random(seed)
    samples: list[Sample] = []
    for made, most in (
        (_selqa(folder, chance), 9_000),
        (_natural_questions(folder, chance), 7_500),
        (_covid(folder, chance), 3_500),
        (_policy(folder, chance), 3_000),
        (_conda(folder, chance), 1_500),
        (_medical(folder, chance), 1_500),
        (_news_questions(folder, words, chance), 2_500),
        (_fever_questions(folder, words, chance), 14_000),
        (_fever_claims(folder, chance), 6_000),
        (_pairs(folder, chance), 10_000),
        (_news_claims(folder, chance), 2_000),
        (_edited(folder, chance), 4_000),
        (_folders(chance), 100_000),
    ):
        made_list = list(made)
        chance.shuffle(made_list)
        samples += made_list[: max(1, int(most * share))]
    samples += list(_mistaken(samples, chance))
    chance.shuffle(samples)
    return samples


def _groups(rows: Sequence[Row]) -> list[tuple[str, list[str], list[bool]]]:
    """(question, its sentences in order, which answer) of rows of one sentence each."""
    grouped: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["sentence"].strip():
            grouped[row["qid"], row["question"]].append(row)
    return [
        (question, [" ".join(row["sentence"].split()) for row in group], [bool(row["label"]) for row in group])
        for (_, question), group in grouped.items()
    ]


def kept_out(folder: Path) -> list[tuple[str, list[str], list[bool]]]:
    """One in ten of SelQA's test questions, which training never sees."""
    return [
        group for group in _groups(read(folder / "selqa/test.jsonl.gz")) if _is_kept_out(group[0]) and any(group[2])
    ]


def _is_kept_out(question: str) -> bool:
    return sha256(question.encode()).digest()[0] < 26


def _window(sentences: Sequence[str], marks: Sequence[bool], chance: random.Random, most: int) -> tuple[int, int]:
    """A run of up to ``most`` sentences around one that is marked, or anywhere when none is."""
    n = chance.randint(1, most) if most > 1 else 1
    marked = [i for i, mark in enumerate(marks) if mark]
    at = chance.choice(marked) if marked else chance.randrange(len(sentences))
    start = max(0, min(at - chance.randint(0, n - 1), len(sentences) - n))
    return start, min(len(sentences), start + n)


def _cut(question: str, sentences: list[str], marks: list[bool], chance: random.Random, most: int, source: str,
         weight: float = 1.0) -> Sample:  # fmt: skip
    start, end = _window(sentences, marks, chance, most)
    answers = tuple(marks[start:end])
    return Sample(question, tuple(sentences[start:end]), answers, any(answers), source=source, weight=weight)


def _selqa(folder: Path, chance: random.Random) -> Iterator[Sample]:
    for part in ("dev", "test"):
        groups = _groups(read(folder / f"selqa/{part}.jsonl.gz"))
        for i, (question, sentences, marks) in enumerate(groups):
            if not any(marks) or _is_kept_out(question):
                continue
            for _ in range(2):
                yield _cut(question, sentences, marks, chance, 8, "selqa")
            rest = [sentence for sentence, mark in zip(sentences, marks, strict=True) if not mark]
            if rest and chance.random() < 0.5:
                yield _cut(question, rest, [False] * len(rest), chance, 6, "selqa")
            if chance.random() < 0.25:
                _, other, _ = groups[(i + chance.randrange(1, len(groups))) % len(groups)]
                yield _cut(question, other, [False] * len(other), chance, 4, "selqa")
        for row in read(folder / f"selqa/answerability_{part}.jsonl.gz"):
            if row["label"] == "unanswerable_weak" and not _is_kept_out(row["question"]):
                found = list(sentences_of(row["passage"]))
                if found:
                    yield _cut(row["question"], found, [False] * len(found), chance, 6, "selqa")


def _natural_questions(folder: Path, chance: random.Random) -> Iterator[Sample]:
    for name, weight in (("nq_oracle_litm/sentences_weak", _WEAK), ("qed_dev/single_sentence", 1.0)):
        for question, sentences, marks in _groups(read(folder / f"{name}.jsonl.gz")):
            for _ in range(2):
                if any(marks):
                    yield _cut(question, sentences, marks, chance, 6, "nq", weight)
            if weight == 1.0 and not all(marks):  # beside a marked sentence others may answer in the weak set
                rest = [sentence for sentence, mark in zip(sentences, marks, strict=True) if not mark]
                yield _cut(question, rest, [False] * len(rest), chance, 4, "nq")
    for row in read(folder / "nq_oracle_litm/answerability.jsonl.gz"):
        if row["label"] == "unanswerable_weak" and chance.random() < 0.6:
            found = list(sentences_of(row["passage"].split(": ", 1)[-1]))
            if found:
                yield _cut(row["question"], found, [False] * len(found), chance, 5, "nq")


def _covid(folder: Path, chance: random.Random) -> Iterator[Sample]:
    for question, sentences, marks in _groups(read(folder / "covid_qa/v200423.jsonl.gz")):
        kept = [(s, m) for s, m in zip(sentences, marks, strict=True) if 4 <= len(s.split()) <= 60]
        if kept:
            yield _cut(question, [s for s, _ in kept], [m for _, m in kept], chance, 6, "covid_qa")
    for row in read(folder / "covid_qa/answerability_v200423.jsonl.gz"):
        if row["label"] == "unanswerable_weak":
            found = [sentence for sentence in sentences_of(row["passage"]) if len(sentence.split()) <= 60]
            if found:
                yield _cut(row["question"], found, [False] * len(found), chance, 5, "covid_qa", _WEAK)


def _policy(folder: Path, chance: random.Random) -> Iterator[Sample]:
    for part in ("dev", "test"):
        for question, sentences, marks in _groups(read(folder / f"policyqa/{part}.jsonl.gz")):
            yield _cut(question, sentences, marks, chance, 5, "policyqa", _WEAK)


def _conda(folder: Path, chance: random.Random) -> Iterator[Sample]:
    for name in ("dev", "fewshot_test_all"):
        for row in read(folder / f"condaqa/{name}.jsonl.gz"):
            answerable = row["label"] == "answerable"
            if not answerable or chance.random() < 0.12:
                yield Sample(row["question"], sentences_of(row["passage"]), (), answerable, source="condaqa")


def _medical(folder: Path, chance: random.Random) -> Iterator[Sample]:
    rows = read(folder / "medquad/pairs.jsonl.gz")
    by_focus: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_focus[row["focus"]].append(row)
    for row in chance.sample(rows, min(3_000, len(rows))):
        kin = [other for other in by_focus[row["focus"]] if other["qtype"] != row["qtype"]]
        good = not kin or chance.random() < 0.5
        passage = (row if good else chance.choice(kin))["passage"]
        yield Sample(row["question"], sentences_of(passage)[:5], (), good, source="medquad", weight=_WEAK)


class _Fever:
    """Claims with their evidence, and for each name what else is known of it."""

    def __init__(self, folder: Path) -> None:
        self.rows = [row for row in read(folder / "fever_train/train.jsonl.gz") if len(row["premise"].split()) < 90]
        self.by_subject: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        self.evidence = [sentences_of(_plain(row["premise"])) for row in self.rows]
        self.subjects = [subject_of(row["hypothesis"]) for row in self.rows]
        for subject, evidence in zip(self.subjects, self.evidence, strict=True):
            if subject:
                self.by_subject[subject].append(evidence)

    def context(self, i: int, chance: random.Random, most: int) -> list[str]:
        """Up to ``most`` sentences of evidence for other claims about the same thing, else about another."""
        own = set(self.evidence[i])
        pool = [s for evidence in self.by_subject.get(self.subjects[i], ()) for s in evidence if s not in own]
        pool = list(dict.fromkeys(pool))
        while len(pool) < most:
            pool.append(chance.choice(chance.choice(self.evidence) or ("",)))
        return [s for s in chance.sample(pool, most) if s and len(s.split()) < 60]


def _plain(text: str) -> str:
    return (
        text.replace("-LRB-", "(").replace("-RRB-", ")").replace("-LSB-", "[").replace("-RSB-", "]").replace("--", "–")
    )


def _placed(evidence: Sequence[str], context: list[str], chance: random.Random) -> tuple[list[str], list[bool]]:
    """The evidence in a row, somewhere among the context."""
    at = chance.randint(0, len(context))
    sentences = [*context[:at], *evidence, *context[at:]]
    return sentences, [at <= i < at + len(evidence) for i in range(len(sentences))]


def _fever_questions(folder: Path, words: Set[str], chance: random.Random) -> Iterator[Sample]:
    fever = _Fever(folder)
    order = [i for i, row in enumerate(fever.rows) if row["label"] == "entailment" and len(fever.evidence[i]) <= 2]
    chance.shuffle(order)
    for i in order:
        asked = [made.question for made in questions(fever.rows[i]["hypothesis"], words, chance)]
        if not asked:
            continue
        title = fever.subjects[i] if chance.random() < 0.5 else ""
        context = fever.context(i, chance, chance.randint(1, 4))
        if chance.random() < 0.2:
            yield Sample(
                asked[0], tuple(context), (False,) * len(context), False, title=title, weight=_WEAK, source="fever_q"
            )
            continue
        sentences, marks = _placed(fever.evidence[i], context, chance)
        yield Sample(asked[0], tuple(sentences), tuple(marks), True, title=title, source="fever_q")


def _fever_claims(folder: Path, chance: random.Random) -> Iterator[Sample]:
    fever = _Fever(folder)
    order = list(range(len(fever.rows)))
    chance.shuffle(order)
    for i in order:
        row = fever.rows[i]
        weak = row["label"] == "neutral_weak"
        if weak and chance.random() < 0.4:
            continue
        context = fever.context(i, chance, chance.choice((0, 0, 1, 2)))
        sentences, marks = _placed(fever.evidence[i], context, chance)
        title = fever.subjects[i] if chance.random() < 0.7 else ""  # evidence often says "he" of whom the claim names
        yield Sample(row["hypothesis"], tuple(sentences), () if weak else tuple(marks), None,
                     _RELATIONS[row["label"]], title, _WEAK if weak else 1.0, "fever")  # fmt: skip


def _pairs(folder: Path, chance: random.Random) -> Iterator[Sample]:
    """Sets of one premise and one hypothesis, each up to its share."""
    shares = {
        "new_protocols/edit_premise_train": 8_400, "new_protocols/contrast_train": 4_500,
        "new_protocols/base_train": 3_000, "new_protocols/edit_other_train": 2_500,
        "cad_nli/train": 3_500, "breaking_nli/all": 1_200, "conjnli/train": 1_500, "inli/train": 4_000,
        "entailment_bank/train": 1_500, "wice_train_dev/claim_dev_gold_evidence": 300,
        "wice_train_dev/nonsupported_tokens_train": 370,
    }  # fmt: skip
    for name, most in shares.items():
        rows = read(folder / f"{name}.jsonl.gz")
        for row in chance.sample(rows, min(most, len(rows))):
            premise = sentences_of(row["premise"])
            if premise:
                yield Sample(row["hypothesis"], premise, (), None, _RELATIONS[row["label"]], source=name.split("/")[0],
                             weight=_WEAK if row["label"] == "neutral_weak" else 1.0)  # fmt: skip


def _news(folder: Path) -> Iterator[tuple[Row, list[str], list[bool]]]:
    """(row, the article's sentences, which of them its claim is judged by)."""
    for part in ("train", "val"):
        for row in read(folder / f"defacto/{part}.jsonl.gz"):
            sentences = list(sentences_of(row["premise"]))
            gold = " ".join(str(row.get("evidence") or "").split())
            marks = [bool(gold) and (sentence in gold or gold in sentence) for sentence in sentences]
            if any(marks):
                yield row, sentences, marks


def _news_claims(folder: Path, chance: random.Random) -> Iterator[Sample]:
    for row, sentences, marks in _news(folder):
        start, end = _window(sentences, marks, chance, 6)
        yield Sample(row["hypothesis"], tuple(sentences[start:end]), tuple(marks[start:end]), None,
                     _RELATIONS[row["label"]], source="defacto", weight=0.7)  # fmt: skip


def _news_questions(folder: Path, words: Set[str], chance: random.Random) -> Iterator[Sample]:
    for row, sentences, marks in _news(folder):
        made = questions(row["hypothesis"], words, chance) if row["label"] == "entailment" else []
        for one in made[:2]:
            yield _cut(one.question, sentences, marks, chance, 8, "defacto_q", _WEAK)


def _folders(chance: random.Random) -> Iterator[Sample]:
    yield from folders.samples([folder for folder in folders.load() if not folder.kept_out], chance)


def _mistaken(samples: Sequence[Sample], chance: random.Random) -> Iterator[Sample]:
    """Questions that their passage answered, asked of another number, name or the opposite: it answers no more."""
    names = [name for sample in samples for sentence in sample.sentences[:2] for name in names_in(sentence)]
    for sample in samples:
        if sample.answerable and any(sample.answers) and chance.random() < _MISTAKEN:
            asked = mistaken(sample.query, chance.sample(names, min(20, len(names))), chance)
            if asked:
                none = (False,) * len(sample.sentences)
                yield replace(sample, query=asked, answers=none, answerable=False, weight=_WEAK, source="mistaken")


def _edited(folder: Path, chance: random.Random) -> Iterator[Sample]:
    """A sentence of a passage, as it is or with one thing changed, claimed of that passage."""
    fever = _Fever(folder)
    texts = [list(evidence) for evidence in fever.evidence]
    texts += [sentences for _, sentences, _ in _groups(read(folder / "selqa/test.jsonl.gz"))]
    chance.shuffle(texts)
    names = [name for text in texts[:3_000] for sentence in text for name in names_in(sentence)]
    for text in texts[:14_000]:
        start, end = _window(text, [False] * len(text), chance, 4)
        passage = text[start:end]
        claimed = chance.choice(passage)
        if not 6 <= len(claimed.split()) <= 45:
            continue
        marks = tuple(sentence == claimed for sentence in passage)
        roll = chance.random()
        if roll < 0.55:
            changed = falsified(claimed, chance.sample(names, min(20, len(names))), chance)
            if changed:
                yield Sample(changed, tuple(passage), marks, None, "contradiction", source="edited")
        elif roll < 0.85 or len(passage) == 1:
            yield Sample(claimed, tuple(passage), marks, None, "entailment", source="edited")
        else:
            rest = tuple(sentence for sentence in passage if sentence != claimed)
            if rest:
                yield Sample(claimed, rest, (False,) * len(rest), None, "neutral", source="edited", weight=_WEAK)
