"""``footnote bench limit``: what this machine can multiply, and what share of that indexing reaches."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from api.speed.builds import Built, Load, open_live, timed_build
from api.speed.child import in_child
from api.speed.reports import Bench
from eval.benchmarks.files import write_documents
from eval.benchmarks.speed.products import Dimensions, numpy_rate, product_rate, read_dimensions
from eval.benchmarks.speed.text import read_text
from eval.benchmarks.speed.types import Panel, SpeedReport, Table, number
from index.encode import model_folder
from index.errors import EncoderError
from index.ingest import BuildOptions

_SPECIAL_TOKENS = 2  # a passage's tokens are counted without the two that the encoder adds
_LARGE = (2048, 2048, 2048)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a build embedded, in tokens."""

    built: Built
    tokens: int  # special ones counted
    threads: int


def bench_limit(bench: Bench, data: Path, *, seconds: float = 2.0, large: tuple[int, int, int] = _LARGE) -> SpeedReport:
    """Time products of the encoder's shapes, and a ``large`` one, for ``seconds`` each; then index the documents in
    ``data``. Raises EncoderError when the encoder's model is not in a folder or does not say what it is made of."""
    folder = model_folder(bench.settings.encoder)
    try:
        dimensions = read_dimensions(folder) if folder else None
    except (OSError, ValueError) as error:
        raise EncoderError(f"What {folder} is made of is not known ({error}).", remedy="Use a BERT model.") from error
    if dimensions is None:
        raise EncoderError("The encoder is no folder of this machine.", remedy="Name its folder: FOOTNOTE_ENCODER.")
    text = read_text(data, bench.settings.data)
    work = bench.folder / "limit-work"
    write_documents(work / "documents", text.files)
    bench.told("indexing", 0, 1)
    found = in_child(_embed, bench.options(work / "documents", work / "data", full=True), bench.load).value
    shutil.rmtree(work, ignore_errors=True)
    mean_tokens = found.tokens / found.built.passages
    rates = _rates(bench, dimensions, round(mean_tokens), seconds, large)
    return _report(bench, dimensions, found, mean_tokens, rates)


def _embed(options: BuildOptions, load: Load) -> Embedded:
    built = timed_build(options, load)
    generation = open_live(options.data)
    try:
        passages = generation.store.passages(list(range(built.passages)))
        tokens = sum(passage.n_tokens + _SPECIAL_TOKENS for passage in passages)
    finally:
        generation.close()
    return Embedded(built, tokens, options.threads)


def _rates(
    bench: Bench, dimensions: Dimensions, tokens: int, seconds: float, large: tuple[int, int, int]
) -> dict[str, dict[str, float]]:
    """Product -> what ran it -> operations a second."""
    hidden, inner = dimensions.hidden, dimensions.inner
    shapes = {
        f"attention {tokens}x{hidden}x{hidden}": (tokens, hidden, hidden),
        f"feed-forward {tokens}x{hidden}x{inner}": (tokens, hidden, inner),
        f"feed-forward {tokens}x{inner}x{hidden}": (tokens, inner, hidden),
        f"large {'x'.join(map(str, large))}": large,
    }
    cores = bench.about.machine.cores
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for done, (name, shape) in enumerate(shapes.items()):
            bench.told("multiplying", done, len(shapes))
            row = found.setdefault(name, {})
            for streams in sorted({1, cores}):
                for kind in ("int8", "fp32"):
                    rate = product_rate(Path(folder), shape, kind, streams=streams, seconds=seconds)
                    row[f"{kind}, {streams} thread{'s' * (streams > 1)}"] = rate
            row["fp32, numpy"] = numpy_rate(shape, seconds)
    return found


def _report(
    bench: Bench,
    dimensions: Dimensions,
    found: Embedded,
    mean_tokens: float,
    rates: dict[str, dict[str, float]],
) -> SpeedReport:
    per_token = dimensions.weights_per_token
    embedding_s = found.built.phases_s.get("embedding", 0.0) or found.built.build_s
    reached = per_token * found.tokens / embedding_s
    shares = {
        name: {what: reached / rate for what, rate in row.items() if what.startswith("int8")}
        for name, row in rates.items()
    }
    *_, (large, large_row) = rates.items()
    values = {
        "dimensions": asdict(dimensions),
        "operations_per_token": per_token,
        "attention_operations_per_token": dimensions.attention_per_token(mean_tokens),
        "operations_per_second": rates,
        "indexing": {
            "passages": found.built.passages,
            "tokens": found.tokens,
            "tokens_per_passage": mean_tokens,
            "embedding_s": embedding_s,
            "threads": found.threads or bench.about.machine.cores,
            "operations_per_second": reached,
            "share_of": shares,
        },
    }
    columns = tuple(large_row)
    tables = [
        Table(
            "Products, 10^9 operations/s (rows x inner x columns)",
            ("product", *columns),
            tuple((name, *(number(row[what] / 1e9) for what in columns)) for name, row in rates.items()),
        ),
        Table(
            f"Embedding {found.built.passages} passages, {mean_tokens:.0f} tokens each in the mean",
            ("measure", "value"),
            (
                ("tokens/s", number(found.tokens / embedding_s)),
                ("operations a token, 10^6", number(per_token / 1e6)),
                ("reached, 10^9 operations/s", number(reached / 1e9)),
                *(
                    (f"share of {name}, {what}", f"{share:.0%}")
                    for name, row in shares.items()
                    for what, share in list(row.items())[-1:]
                ),
            ),
        ),
    ]
    bars = [(what, large_row[what] / 1e9) for what in columns]
    panels = [
        Panel(f"Product {large}, 10^9 operations/s", "", (*bars, ("embedding reaches", reached / 1e9))),
    ]
    notes = [
        f"Counted are products with weights: 2 x layers x (4 hidden^2 + 2 hidden inner) = {per_token:,} operations a "
        f"token. Not counted: products of tokens with each other ({dimensions.attention_per_token(mean_tokens):,.0f} a "
        "token at this length, in float32), norms, softmax, tokenising, pooling, and writing what was made.",
        "Threads are sessions of one thread each, side by side, as passages are encoded.",
    ]
    return bench.finish("limit", values, tables, panels, notes)
