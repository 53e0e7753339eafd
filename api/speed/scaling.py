"""``footnote bench scale``: an index of up to a million passages, built, loaded, searched and brought up to date."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from api.speed.builds import Built, Load, disk_bytes, open_live, timed_build
from api.speed.child import in_child, resident
from api.speed.reports import Bench
from eval.benchmarks.files import sample
from eval.benchmarks.speed.synthetic import load_synthetic
from eval.benchmarks.speed.text import compose, read_text, sentences
from eval.benchmarks.speed.types import Curves, Latency, SpeedReport, Table, latency, mebibytes, number
from index.errors import SourceError
from index.files import replace_file
from index.generation import Layout, read_current
from index.parse import parse
from index.passages import build_passages
from index.search import make_query, search
from index.types import Encoder
from index.vectors import RECALL_DEPTH

SIZES = (10_000, 100_000, 1_000_000)
_POOL = 4_000  # real sentences that texts are drawn from, and real vectors that synthetic ones are near
_WINDOW = 128  # of the synthetic encoder, in tokens: about five sentences
_PROBES = 5  # composed documents that tell how many passages one has
_QUERIES = 200
_K = 10
_FOLDER_FILES = 1_000  # files in a folder


@dataclass(frozen=True, slots=True)
class Searched:
    """What serving an index costs. Run in a child."""

    load_s: float  # checked against its manifest and loaded
    latency: Latency  # of a search without encoding the question
    rss: int  # bytes resident after the searches
    recall: float  # of the exact nearest passages, as it was measured when the index was written


def bench_scale(
    bench: Bench,
    data: Path,
    *,
    sizes: Sequence[int] = SIZES,
    synthetic: bool = False,
    keep: bool = False,
    anew: bool = False,
) -> SpeedReport:
    """For each of ``sizes``, about so many passages of text composed of the sentences in ``data``.

    ``synthetic`` puts a cheap encoder with vectors near real ones in the encoder's place, so that what is timed is
    everything else. What was measured for a size by the same code is not measured again unless ``anew``; the text and
    index of a size are deleted after it unless ``keep``."""
    folder = bench.folder / ("scale-synthetic" if synthetic else "scale")
    folder.mkdir(parents=True, exist_ok=True)
    pool = _pool(data, bench.settings.data)
    load = _synthetic(bench, folder, pool) if synthetic else bench.load
    measured: list[dict[str, Any]] = []
    for size in sizes:
        bench.told(f"{size:,} passages", 0, 1)
        done = folder / f"{size}.json"
        found = None if anew else _known(bench, done, pool)
        if found is None:
            found = _measure(bench, folder / str(size), size, pool, load)
            found |= {"commit": bench.about.commit, "pool": hash_of(pool), "size": size}
            replace_file(done, json.dumps(found, indent=1) + "\n")
            if not keep:
                shutil.rmtree(folder / str(size), ignore_errors=True)
        measured.append(found)
    return _report(bench, measured, synthetic=synthetic)


def _pool(data: Path, exclude: Path) -> list[str]:
    text = read_text(data, exclude)
    some = sentences(parse(content.encode(), ".txt") for content in text.plain.values() if content.strip())
    if not some:
        raise SourceError(f"There is no running text in {data}.", remedy="Name a folder with sentences with --data.")
    return sample(sorted(some), _POOL)


def hash_of(pool: Sequence[str]) -> str:
    return sha256("\n".join(pool).encode()).hexdigest()


def _known(bench: Bench, done: Path, pool: Sequence[str]) -> dict[str, Any] | None:
    """What was measured before, by this commit and of the same sentences; code that is being changed has no commit."""
    try:
        found: dict[str, Any] = json.loads(done.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    same = (found.get("commit"), found.get("pool")) == (bench.about.commit, hash_of(pool))
    return found if same and "+" not in bench.about.commit else None


def _synthetic(bench: Bench, folder: Path, pool: Sequence[str]) -> Load:
    """The encoder that stands in, with the real one's vectors of ``pool`` written to files for it."""
    base = folder / f"pool-{bench.about.model_fingerprint[:16]}-{hash_of(pool)[:16]}"
    if not base.with_suffix(".f32").is_file():
        bench.told("real vectors", 0, 1)
        encoder = bench.load()
        base.with_suffix(".txt").write_text("\n".join(pool) + "\n", "utf-8")
        part = base.with_name(f"{base.name}.part.f32")
        np.stack([encoder.encode_query(sentence) for sentence in pool]).astype(np.float32).tofile(part)
        part.replace(base.with_suffix(".f32"))
    return partial(load_synthetic, base, _WINDOW)


def _measure(bench: Bench, folder: Path, size: int, pool: Sequence[str], load: Load) -> dict[str, Any]:
    source, data = folder / "documents", folder / "data"
    encoder = load()
    max_tokens = min(encoder.window, bench.settings.passage_tokens or encoder.window)
    count = max(1, round(size / _passages_a_document(pool, encoder, max_tokens)))
    characters = _write_documents(source, pool, count, partial(bench.told, f"{size:,}: writing"))
    options = bench.options(source, data)
    bench.told(f"{size:,}: building", 0, 1)
    shutil.rmtree(data, ignore_errors=True)
    whole = in_child(timed_build, options, load)
    layout = Layout(data)
    on_disk = disk_bytes(layout.generation(read_current(layout)[0]))
    bench.told(f"{size:,}: searching", 0, 1)
    serving = in_child(serve_index, data, load, sample(list(pool), _QUERIES))
    bench.told(f"{size:,}: one document changed", 0, 1)
    _document(source, count // 2).write_text(compose(pool, count // 2, seed=1), "utf-8")
    changed = in_child(timed_build, options, load)
    unchanged = in_child(timed_build, options, load)
    return {
        "documents": count,
        "characters": characters,
        "passages": whole.value.passages,
        "sentences": whole.value.sentences,
        "build": _built(whole.value, whole.peak_rss),
        "bytes_on_disk": on_disk,
        "load_s": serving.value.load_s,
        "search": asdict(serving.value.latency),
        "recall": serving.value.recall,
        "serving_rss_bytes": serving.value.rss,
        "serving_peak_rss_bytes": serving.peak_rss,
        "one_document_changed": _built(changed.value, changed.peak_rss),
        "nothing_changed": _built(unchanged.value, unchanged.peak_rss),
    }


def _built(built: Built, peak_rss: int) -> dict[str, Any]:
    return asdict(built) | {"peak_rss_bytes": peak_rss}


def _passages_a_document(pool: Sequence[str], encoder: Encoder, max_tokens: int) -> float:
    parsed = (parse(compose(pool, -i).encode(), ".md") for i in range(1, _PROBES + 1))
    return sum(len(build_passages(one, encoder.token_spans, max_tokens)) for one in parsed) / _PROBES


def _document(source: Path, number: int) -> Path:
    return source / f"{number // _FOLDER_FILES:03d}" / f"{number:06d}.md"


def _write_documents(source: Path, pool: Sequence[str], count: int, told: Callable[[int, int], None]) -> int:
    """``count`` composed documents in ``source`` and nothing else; returns their characters."""
    characters = 0
    for i in range(count):
        path = _document(source, i)
        if i % _FOLDER_FILES == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            told(i, count)
        text = compose(pool, i)
        characters += len(text)
        if not path.exists() or path.read_text("utf-8") != text:  # a run that was interrupted goes on
            path.write_text(text, "utf-8")
    return characters


def serve_index(data: Path, load: Load, queries: Sequence[str]) -> Searched:
    """Load the live generation and search it with each of ``queries``, twice; the second time is timed."""
    encoder = load()
    began = time.perf_counter()
    generation = open_live(data)
    load_s = time.perf_counter() - began
    recall = float(generation.manifest.vectors["recall"])
    made = [make_query(query, encoder) for query in queries]
    took: list[float] = []
    for query in (*made, *made):
        began = time.perf_counter()
        search(generation, [query], k=_K)
        took.append(time.perf_counter() - began)
    generation.close()
    return Searched(load_s, latency(took[len(made) :]), resident()[1], recall)


def _report(bench: Bench, measured: Sequence[dict[str, Any]], *, synthetic: bool) -> SpeedReport:
    lines: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("documents", lambda one: f"{one['documents']:,}"),
        ("sentences", lambda one: f"{one['sentences']:,}"),
        ("build, to published, s", lambda one: number(one["build"]["build_s"])),
        ("  most memory, MB", lambda one: mebibytes(one["build"]["peak_rss_bytes"])),
        ("on disk, MB", lambda one: mebibytes(sum(one["bytes_on_disk"].values()))),
        ("checked and loaded, s", lambda one: number(one["load_s"])),
        ("search p50, ms", lambda one: number(one["search"]["p50_ms"])),
        ("search p95, ms", lambda one: number(one["search"]["p95_ms"])),
        (f"  of the exact nearest {RECALL_DEPTH} found", lambda one: f"{one['recall']:.3f}"),
        ("memory serving, MB", lambda one: mebibytes(one["serving_rss_bytes"])),
        ("one document rewritten, to published, s", lambda one: number(one["one_document_changed"]["build_s"])),
        ("  most memory, MB", lambda one: mebibytes(one["one_document_changed"]["peak_rss_bytes"])),
        ("  passages embedded", lambda one: str(one["one_document_changed"]["passages_embedded"])),
        ("nothing changed, s", lambda one: number(one["nothing_changed"]["build_s"])),
    ]
    rows = tuple((name, *(value(one) for one in measured)) for name, value in lines)
    table = Table(
        "Passages" + (", with synthetic vectors" if synthetic else ""),
        ("measure", *(f"{one['passages']:,}" for one in measured)),
        rows,
    )
    notes = [
        f"Text is composed of sentences of the folder, {_K} passages are searched for, and the question's vector is "
        "made before.",
        "Memory serving counts pages of mapped files that were read.",
    ]
    if synthetic:
        notes.append(
            f"SYNTHETIC VECTORS: passages of {_WINDOW} tokens got vectors near those of real sentences, from a cheap "
            "encoder in the real one's place. Times of builds hold nothing of the encoder's."
        )
    values = {"synthetic_vectors": synthetic, "sizes": list(measured)}
    kind = "scale-synthetic" if synthetic else "scale"
    return bench.finish(kind, values, [table], _curves(measured), notes)


def _curves(measured: Sequence[dict[str, Any]]) -> list[Curves]:
    """How cost grows: of building, of an update, of a search and of memory."""
    ordered = sorted(measured, key=lambda one: one["passages"])

    def each(value: Callable[[dict[str, Any]], float]) -> tuple[float, ...]:
        return tuple(max(value(one), 1e-6) for one in ordered)

    xs = each(lambda one: one["passages"])
    whole = each(lambda one: one["build"]["build_s"])
    update = each(lambda one: one["one_document_changed"]["build_s"])
    building = each(lambda one: one["build"]["peak_rss_bytes"] / (1 << 20))
    serving = each(lambda one: one["serving_rss_bytes"] / (1 << 20))
    search_ms = each(lambda one: one["search"]["p50_ms"])
    return [
        Curves("To published", "s", xs, (("one rewritten", update), ("all", whole))),
        Curves("Search, median", "ms", xs, (("", search_ms),)),
        Curves("Memory", "MB", xs, (("building", building), ("serving", serving))),
    ]
