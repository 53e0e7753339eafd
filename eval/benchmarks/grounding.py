"""Public sets of claims and the texts they were made from, for measuring a checker (rag.verify).

QAGS (https://aclanthology.org/2020.acl-main.450) and SummEval (https://arxiv.org/abs/2007.12626) as BARTScore
publishes them, SummEdits (https://arxiv.org/abs/2305.14540), WiCE (https://arxiv.org/abs/2303.01432), and faults
planted in sentences of SQuAD's articles."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from eval.benchmarks.files import json_lines, sample
from eval.benchmarks.quality import Result, Row, is_reported
from eval.edits import falsified, names_in
from eval.errors import SuiteError
from eval.statistics import estimate_area, estimate_balanced, estimate_correlation, estimate_mean
from eval.types import Estimate
from index.parse.decode import clean
from index.sentences import split
from index.types import Place, Segment
from rag.verify import Checker

SUPPORTED = 0.5
_QUICK = 60
_PLANTED = 300


@dataclass(frozen=True, slots=True)
class Claim:
    """One or several sentences, and the text that should bear all of them out."""

    id: str
    sentences: tuple[str, ...]
    evidence: tuple[str, ...]  # sentences
    supported: bool
    score: float  # people's, higher is more consistent; 1 or 0 where they only said whether


def _sentences(text: str) -> tuple[str, ...]:
    """Of every line, or of the whole where there are no lines."""
    lines = [" ".join(clean(line).split()) for line in text.split("\n")]
    return tuple(
        line[span.start : span.end]
        for line in lines
        if line
        for span in split(line, Segment(0, len(line), "prose", Place()))
    )


def _qags(part: str) -> Callable[[Path], Iterator[Claim]]:
    return lambda data: _bartscore(data, part, "fact", 1.0)


def _bartscore(data: Path, part: str, score: str, highest: float) -> Iterator[Claim]:
    folder = data / "bartscore_sum"
    documents = json.loads((folder / f"{part}.docs.json").read_text("utf-8"))
    split_up = {name: _sentences(text) for name, text in documents.items()}
    for number, row in enumerate(json_lines(folder / f"{part}.jsonl")):
        given = float(row["scores"][score])
        evidence = split_up[str(row["doc_id"])]
        yield Claim(f"{part}-{number}", _sentences(row["summary"]), evidence, given >= highest, given)


def _summedits(domain: str) -> Callable[[Path], Iterator[Claim]]:
    def load(data: Path) -> Iterator[Claim]:
        for row in json.loads((data / "summedits" / f"summedits_{domain}.json").read_text("utf-8")):
            label = bool(row["label"])
            yield Claim(row["id"], _sentences(row["summary"]), _sentences(row["doc"]), label, float(label))

    return load


def _wice(data: Path) -> Iterator[Claim]:
    for part in ("dev", "test"):
        for number, row in enumerate(json_lines(data / "wice" / f"claim_{part}.jsonl")):
            supported = row["label"] == "supported"
            evidence = _sentences("\n".join(row["evidence"]))
            yield Claim(f"{part}-{number}", (row["claim"],), evidence, supported, float(supported))


def _planted(data: Path) -> Iterator[Claim]:
    """Of sentences of SQuAD's articles, each in its paragraph: with a clause left out, which is true, and with one
    number, name, negation or direction changed, which is not."""
    chance = random.Random(0)  # noqa: S311 - a draw of sentences, not a secret
    paragraphs = [_sentences(row["text"]) for row in sample(json_lines(data / "squad" / "articles_490.jsonl"), 3_000)]
    names = [name for sentences in paragraphs[:300] for sentence in sentences for name in names_in(sentence)]
    made = 0
    for number, sentences in enumerate(paragraphs):
        long = [sentence for sentence in sentences if 10 <= len(sentence.split()) <= 40]
        if len(long) < 3 or made >= _PLANTED:
            continue
        one, other = chance.sample(long, 2)
        shorter = re.sub(r",[^,]*(?=[,.])", "", one, count=1)
        changed = falsified(other, [*names_in(" ".join(sentences)), *chance.sample(names, 5)], chance)
        if shorter != one and len(shorter.split()) > 5 and changed:
            made += 1
            yield Claim(f"{number}-true", (shorter,), sentences, True, 1.0)
            yield Claim(f"{number}-changed", (changed,), sentences, False, 0.0)


_DOMAINS = ("news", "ectsum", "podcast", "qmsumm", "sales_call", "sales_email", "samsum", "scitldr")
GROUNDING: dict[str, Callable[[Path], Iterator[Claim]]] = {
    "qags-cnn": _qags("QAGS_CNN"),
    "qags-xsum": _qags("QAGS_XSUM"),
    "summeval": lambda data: _bartscore(data, "SummEval", "consistency", 5.0),
    "wice": _wice,
    **{f"summedits-{domain.replace('_', '-')}": _summedits(domain) for domain in _DOMAINS},
    "planted": _planted,
}
"""Name -> what reads it from the folder of sets."""

_RANKED = ("qags-cnn", "qags-xsum", "summeval")  # people gave degrees, not only yes or no


def load_claims(name: str, data: Path, *, quick: bool) -> list[Claim]:
    """Raises SuiteError when there is no such set, or its files are not below ``data``."""
    if name not in GROUNDING:
        raise SuiteError(f"There is no set {name!r}.", remedy=f"Sets there are: {', '.join(GROUNDING)}.")
    try:
        claims = list(GROUNDING[name](data))
    except OSError as error:
        raise SuiteError(
            f"The set {name!r} cannot be read from {data} ({error.strerror}).",
            remedy="docs/evaluation.md names the sets.",
        ) from error
    return sample(claims, _QUICK) if quick else claims


def measure_checker(name: str, claims: Sequence[Claim], checker: Checker, on_progress: Callable[[int], None]) -> Result:
    """Balanced accuracy of the verdicts, its two halves, and how well support orders the claims.

    A claim is supported when each of its sentences is; it is as supported as its sentences are on average."""
    verdicts: list[bool] = []
    supports: list[float] = []
    unjudged = 0
    for done, claim in enumerate(claims, start=1):
        found = [checker.verify(sentence, claim.evidence) for sentence in claim.sentences]
        unjudged += any(one.verdict == "unjudged" for one in found)
        verdicts.append(bool(found) and all(one.verdict == "supported" for one in found))
        supports.append(fmean(one.support for one in found) if found else 0.0)
        on_progress(done)
    halves = (
        [is_reported(claim.id) for claim in claims],
        [not is_reported(claim.id) for claim in claims],
        [True] * len(claims),
    )

    def row(measure: str, estimate: Callable[[list[int]], Estimate]) -> Row:
        return Row(measure, *(estimate([i for i, taken in enumerate(half) if taken]) for half in halves))

    def area(some: list[int]) -> Estimate:
        higher = [supports[i] for i in some if claims[i].supported]
        return estimate_area(higher, [supports[i] for i in some if not claims[i].supported])

    def kept(some: list[int]) -> Estimate:
        return estimate_mean([float(verdicts[i]) for i in some if claims[i].supported])

    def caught(some: list[int]) -> Estimate:
        return estimate_mean([float(not verdicts[i]) for i in some if not claims[i].supported])

    rows = [
        row("balanced_accuracy", lambda some: estimate_balanced([(claims[i].supported, verdicts[i]) for i in some])),
        row("supported_kept", kept),
        row("others_caught", caught),
        row("auc", area),
    ]
    if name in _RANKED:
        rows.append(row("spearman", lambda some: estimate_correlation([(claims[i].score, supports[i]) for i in some])))
    return Result(name, len({claim.evidence for claim in claims}), len(claims), unjudged, tuple(rows))
