"""``footnote bench``: measure Footnote itself, how good its answers are and how fast it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from api import terminal

if TYPE_CHECKING:
    from api.speed.reports import Bench
    from index.encode import Runtime

bench = typer.Typer(
    help="Measure Footnote itself: answers on public sets, and speed on any folder.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Sets = Annotated[Path, typer.Option("--data", help="Folder that holds the sets.")]
Names = Annotated[list[str] | None, typer.Option("--set", help="Only this set; may be repeated.")]
Documents = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder of documents, or of the set chunking_eval; the source folder when left out.",
        show_default=False,
    ),
]


@contextmanager
def _bench(data: Path | None, *, quiet: bool) -> Iterator[tuple[Bench, Path]]:
    """What is measured with, and the folder that is measured on."""
    from api.settings import load_settings
    from api.speed.reports import start

    settings = load_settings()
    with terminal.progress(quiet=quiet) as told:
        yield start(settings, told=told), data or settings.source


def _runtimes(names: list[str] | None) -> tuple[Runtime, ...]:
    """Raises BadParameter for what is none."""
    from index.encode import Runtime

    known: dict[str, Runtime] = {name: name for name in get_args(Runtime)}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise typer.BadParameter(f"There is no {unknown[0]!r}: {', '.join(known)}.", param_hint="--runtime")
    return tuple(known[name] for name in names or ())


@bench.command("quality")
def bench_quality(
    data: Sets,
    names: Names = None,
    quick: Annotated[bool, typer.Option("--quick", help="A fixed part of each set, in minutes.")] = False,
    as_json: Json = False,
) -> None:
    """Index public sets, ask their questions, and measure retrieval, quotations and abstention.

    What was built is kept in bench/ in the data folder that the settings name."""
    from api.benching import bench_quality as measure
    from api.settings import load_settings

    quality = measure(data, load_settings(), tuple(names or ()), quick=quick, quiet=as_json)
    terminal.show_quality(quality, as_json=as_json)


@bench.command("checker")
def bench_checker(
    data: Sets,
    names: Names = None,
    quick: Annotated[bool, typer.Option("--quick", help="A fixed part of each set, in a minute or two.")] = False,
    as_json: Json = False,
) -> None:
    """Measure on public sets how well it is told whether a text bears a sentence out."""
    from api.benching import bench_checker as measure
    from api.settings import load_settings

    quality = measure(data, load_settings(), tuple(names or ()), quick=quick, quiet=as_json)
    terminal.show_quality(quality, as_json=as_json)


@bench.command("index")
def bench_index(
    data: Documents = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="Builds from nothing.")] = 3,
    files: Annotated[int, typer.Option(min=1, max=1_000_000, help="Small files that are looked through.")] = 10_000,
    as_json: Json = False,
) -> None:
    """How fast documents are indexed from nothing, after one has changed, and when none has."""
    from api.speed.indexing import bench_index as measure
    from api.speed.show import show_speed

    with _bench(data, quiet=as_json) as (made, folder):
        report = measure(made, folder, repeats=repeats, files=files)
    show_speed(report, as_json=as_json)


@bench.command("query")
def bench_query(
    data: Documents = None,
    requests: Annotated[int, typer.Option(min=1, max=100_000, help="Requests at each number of clients.")] = 200,
    starts: Annotated[int, typer.Option(min=1, max=100, help="Times that a server is started.")] = 3,
    as_json: Json = False,
) -> None:
    """How fast a server on this machine searches and answers, for 1, 2 and 32 clients at once."""
    from api.speed.querying import bench_query as measure
    from api.speed.show import show_speed

    with _bench(data, quiet=as_json) as (made, folder):
        report = measure(made, folder, requests=requests, starts=starts)
    show_speed(report, as_json=as_json)


@bench.command("peers")
def bench_peers(
    data: Documents = None,
    names: Annotated[list[str] | None, typer.Option("--peer", help="Only this system; may be repeated.")] = None,
    runtimes: Annotated[
        list[str] | None, typer.Option("--runtime", help="Footnote once more, its encoder on this; may be repeated.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Times that every system has its turn.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="Of chunking_eval only the three short texts.")] = False,
    as_json: Json = False,
) -> None:
    """Other systems over the same text with the same encoder, in turns with Footnote.

    Each gets an environment of its own from the package index, once: some 1.5 GB, in bench/peers/ in the data folder
    that the settings name."""
    from api.speed.peers import bench_peers as measure
    from api.speed.show import show_speed

    with _bench(data, quiet=as_json) as (made, folder):
        report = measure(made, folder, tuple(names or ()), runtimes=_runtimes(runtimes), rounds=rounds, quick=quick)
    show_speed(report, as_json=as_json)


@bench.command("limit")
def bench_limit(
    data: Documents = None,
    seconds: Annotated[float, typer.Option(min=0.01, max=60, help="Time for each product.")] = 2.0,
    as_json: Json = False,
) -> None:
    """What this machine can multiply, and what share of that indexing reaches."""
    from api.speed.limits import bench_limit as measure
    from api.speed.show import show_speed

    with _bench(data, quiet=as_json) as (made, folder):
        report = measure(made, folder, seconds=seconds)
    show_speed(report, as_json=as_json)


@bench.command("all")
def bench_all(
    data: Documents = None,
    runtimes: Annotated[
        list[str] | None, typer.Option("--runtime", help="Everything of the encoder on this too; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """All that concerns speed in one run, with what Footnote sets out to reach beside it.

    As peers (two of them), query, limit, index, and scale with synthetic vectors: an hour, and 20 GB of disk for a
    while."""
    from api.settings import load_settings
    from api.speed.show import show_speed
    from api.speed.together import bench_all as measure

    settings = load_settings()
    with terminal.progress(quiet=as_json) as told:
        report = measure(settings, data or settings.source, _runtimes(runtimes), told=told)
    show_speed(report, as_json=as_json)


@bench.command("scale")
def bench_scale(
    data: Documents = None,
    sizes: Annotated[str, typer.Option("--sizes", help="Numbers of passages.")] = "10000,100000,1000000",
    synthetic: Annotated[
        bool, typer.Option("--synthetic-vectors", help="A cheap encoder instead of the real one, which takes hours.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave texts and indexes where they are.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Measure sizes again that this commit has measured.")] = False,
    as_json: Json = False,
) -> None:
    """An index of many passages: built, loaded, searched, and brought up to date.

    Text is composed of the folder's sentences. What a size took is kept, and not measured again by the same commit."""
    from api.speed.scaling import bench_scale as measure
    from api.speed.show import show_speed

    try:
        numbers = [int(size) for size in sizes.split(",")]
    except ValueError as error:
        raise typer.BadParameter("Give numbers with commas between them.", param_hint="--sizes") from error
    if min(numbers) < 1:
        raise typer.BadParameter("Give numbers above 0.", param_hint="--sizes")
    with _bench(data, quiet=as_json) as (made, folder):
        report = measure(made, folder, sizes=numbers, synthetic=synthetic, keep=keep, anew=anew)
    show_speed(report, as_json=as_json)
