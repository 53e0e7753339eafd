"""The command line. Exit codes: 0 done; 1 what was checked does not hold; 2 usage; 3 could not run.

Each command imports what it needs when it runs: FAISS, tantivy and the web server take longer to load than the help
takes to read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api import terminal
from api.cli_bench import bench
from api.cli_keys import keys
from index.errors import FootnoteError

if TYPE_CHECKING:
    from api.compose import Footnote
    from api.settings import Settings

app = typer.Typer(
    name="footnote",
    help="Answers over a folder of documents; every sentence carries a footnote.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
generations = typer.Typer(help="List, roll back and clean up published generations.", no_args_is_help=True)
evaluation = typer.Typer(help="Run grounding evaluations.", no_args_is_help=True)
app.add_typer(generations, name="generations")
app.add_typer(keys, name="keys")
app.add_typer(evaluation, name="eval")
app.add_typer(bench, name="bench")

Source = Annotated[Path | None, typer.Option("--source", help="Folder of documents.", show_default=False)]
Data = Annotated[Path | None, typer.Option("--data", help="Where the index is kept.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
K = Annotated[int | None, typer.Option("--k", min=1, max=50, help="Passages to retrieve.", show_default=False)]


def main() -> None:
    """Entry point: what a user can mend is said in a sentence, with exit code 3."""
    terminal.log_to_stderr()
    os.umask(0o077)  # documents may be confidential, and so is what is made of them
    try:
        app(prog_name="footnote")
    except FootnoteError as error:
        terminal.complain(error)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # piped into head
        sys.exit(0)


def _settings(**overrides: Any) -> Settings:
    from api.settings import load_settings

    return load_settings(**overrides)


@contextmanager
def _footnote(**overrides: Any) -> Iterator[Footnote]:
    from api.compose import Footnote

    with closing(Footnote(_settings(**overrides))) as footnote:
        yield footnote


def _text(argument: str) -> str:
    """An argument as text; bytes of it that are not UTF-8 become U+FFFD."""
    return os.fsencode(argument).decode("utf-8", "replace")


@app.command()
def index(
    source: Source = None,
    data: Data = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Start from nothing: parse and embed everything again.")] = False,
    max_memory: Annotated[
        int | None, typer.Option("--max-memory", min=0, help="Memory the build may take, in MiB.", show_default=False)
    ] = None,
    confirm_deletions: Annotated[
        bool, typer.Option("--confirm-deletions", help="Go on although many documents are gone from the folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the index up to date with the folder, publish it, and print the ingest report."""
    with (
        _footnote(source=source, data=data, max_memory_mb=max_memory) as footnote,
        terminal.progress(quiet=as_json) as progress,
    ):
        report = footnote.rebuild(progress, plan=plan, full=full, confirm_deletions=confirm_deletions)
    terminal.show_report(report, plan=plan, as_json=as_json)
    if report.gate is not None and not report.gate.passed:
        raise typer.Exit(1)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    source: Source = None,
    data: Data = None,
    k: K = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Also write the answer as evidence for footnote verify.", show_default=False),
    ] = None,
    sentences: Annotated[
        int, typer.Option(min=0, max=10, help="Sentences to quote at most; 0 for as many as the question asks for.")
    ] = 0,
    mode: Annotated[
        Literal["extractive", "generative"] | None,
        typer.Option(help="Quoted or written; written where there is an LLM.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the documents, every sentence with its footnote."""
    from rag.answer import final
    from rag.types import Question

    with _footnote(source=source, data=data) as footnote:
        asked = Question(_text(question), k=k or footnote.settings.passages, sentences=sentences, mode=mode or "")
        given = final(footnote.ask(asked))
    if bundle is not None:
        from eval.bundle import write_bundle

        write_bundle(bundle, given)
    terminal.show_answer(given, as_json=as_json)


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="A file that footnote ask --bundle wrote.")],
    source: Source = None,
    as_json: Json = False,
) -> None:
    """Check every footnote of an answer against the documents, with no index and no model."""
    from eval.bundle import read_bundle
    from eval.bundle import verify as check

    checks = check(read_bundle(bundle), _settings(source=source).source)
    terminal.show_checks(checks, as_json=as_json)
    if not all(one.holds for one in checks):
        raise typer.Exit(1)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    source: Source = None,
    data: Data = None,
    k: K = None,
    as_json: Json = False,
) -> None:
    """Print the passages that fit best."""
    query = _text(query)
    with _footnote(source=source, data=data) as footnote:
        generation, hits = footnote.search(query, k or footnote.settings.passages)
    terminal.show_hits(generation, query, hits, as_json=as_json)


@app.command()
def serve(
    source: Source = None,
    data: Data = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default=False)] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Rebuild when the folder changes.")] = False,
    update: Annotated[bool, typer.Option(help="Bring the index up to date when the server starts.")] = True,
) -> None:
    """Serve the page and the HTTP interface. Without an index, one is built first."""
    from api.compose import Footnote
    from api.serving import run

    settings = _settings(source=source, data=data, host=host, port=port, watch=watch or None)
    terminal.log_to_stderr(settings.log_level)
    run(Footnote(settings), update=update)


@app.command()
def mcp(
    source: Source = None,
    data: Data = None,
    update: Annotated[bool, typer.Option(help="Bring the index up to date when the server starts.")] = True,
) -> None:
    """Serve an MCP client on standard input and output: the tools search, ask and read_passage."""
    with _footnote(source=source, data=data) as footnote:
        from api.mcp_stdio import run

        run(footnote, update=update)


@generations.command("list")
def list_generations(data: Data = None, as_json: Json = False) -> None:
    """Every generation on disk, and which one is live."""
    from index.generation import Layout, listing

    terminal.show_generations(listing(Layout(_settings(data=data).data)), as_json=as_json)


@generations.command()
def rollback(
    name: Annotated[str, typer.Argument(help="Which one; the one before the live one when left out.")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Serve an earlier generation again."""
    with _footnote(data=data) as footnote:
        published = footnote.roll_back(name)
    terminal.show({"generation": published}, f"Generation {published} is live.", as_json=as_json)


@generations.command("accept")
def accept_generation(data: Data = None, as_json: Json = False) -> None:
    """Publish the generation that was held back because its gate did not pass."""
    with _footnote(data=data) as footnote:
        published = footnote.accept()
    terminal.show({"generation": published}, f"Generation {published} is live.", as_json=as_json)


@generations.command()
def gc(
    data: Data = None,
    live_only: Annotated[
        bool, typer.Option("--live-only", help="Keep the live one alone: what was deleted lies in no other file then.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete generations that nobody reads, but the newest two and the live one."""
    from index.generation import KEPT, Layout, collect, read_current, writer_lock

    layout = Layout(_settings(data=data).data)
    with writer_lock(layout):
        deleted = collect(layout, read_current(layout)[0], keep=1 if live_only else KEPT)
    terminal.show({"deleted": deleted}, f"Deleted: {', '.join(deleted) or 'nothing'}.", as_json=as_json)


@evaluation.command("run")
def eval_run(
    suite: Annotated[str, typer.Argument(help="Name of a suite, or its folder.")],
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Folder for records and reports.", show_default=False)] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 when a gate fails.")] = False,
    generation: Annotated[
        str, typer.Option("--generation", help="Ask this generation as it is, instead of the folder as it is now.")
    ] = "",
    url: Annotated[
        str, typer.Option("--url", help="Ask a running server instead, such as http://127.0.0.1:8000.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Ask every case of a suite and measure whether the answers are grounded."""
    from api.evaluating import evaluate, evaluate_url

    if url and generation:
        raise typer.BadParameter("A server answers from its live generation: give --url or --generation, not both.")
    if url:
        summary = evaluate_url(suite, url, _settings(data=data), out, quiet=as_json)
    else:
        summary = evaluate(suite, _settings(data=data), out, generation=generation, quiet=as_json)
    terminal.show_summary(summary, as_json=as_json)
    if gate and not summary.passed:
        raise typer.Exit(1)


@evaluation.command("compare")
def eval_compare(
    before: Annotated[Path, typer.Argument(help="Folder of the earlier run.")],
    after: Annotated[Path, typer.Argument(help="Folder of the later run.")],
    out: Annotated[Path | None, typer.Option(help="Also write the comparison as a page.", show_default=False)] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 when the later run is worse in something.")] = False,
    as_json: Json = False,
) -> None:
    """What changed between two runs of one suite, question by question, and whether it can be chance."""
    from eval.compare import compare, read_run
    from eval.compare_page import comparison_html
    from index.files import replace_file

    found = compare(read_run(before), read_run(after))
    if out is not None:
        replace_file(out, comparison_html(found))
    terminal.show_comparison(found, as_json=as_json)
    if gate and any(one.verdict == "worse" for one in found.differences):
        raise typer.Exit(1)


@evaluation.command("add")
def eval_add(
    folder: Annotated[Path, typer.Argument(help="Folder of the suite.")],
    from_feedback: Annotated[bool, typer.Option("--from-feedback", help="What users gave a thumbs-down.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Add a case to a suite for every answer that a user was not content with."""
    from eval.feedback import add_cases

    if not from_feedback:
        raise typer.BadParameter("Say where cases come from: --from-feedback.")
    added = add_cases(folder, _settings(data=data).data / "feedback.jsonl")
    terminal.show_added(added, folder, as_json=as_json)


@evaluation.command("generate")
def eval_generate(
    folder: Annotated[Path, typer.Argument(help="Where to write the suite.")],
    source: Source = None,
    data: Data = None,
    cases: Annotated[int, typer.Option(min=2, max=2000, help="How many questions to make.")] = 60,
    as_json: Json = False,
) -> None:
    """Make a suite from the documents' own sentences: answerable questions, and ones with the document left out."""
    from api.making import write_suite

    with _footnote(source=source, data=data) as footnote:
        with terminal.progress(quiet=as_json) as progress:
            footnote.rebuild(progress)
        made = write_suite(footnote, folder, cases)
    terminal.show({"folder": str(folder), "cases": made}, f"{made} cases in {folder}.", as_json=as_json)


@evaluation.command("calibrate")
def eval_calibrate(
    suite: Annotated[str, typer.Argument(help="A suite of questions about the folder; made ones when left out.")] = "",
    source: Source = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Fit the confidence below which answers abstain to the folder. A running server takes it over at once."""
    from functools import partial

    from api.making import calibrate

    with _footnote(source=source, data=data) as footnote, terminal.progress(quiet=as_json) as progress:
        footnote.rebuild(progress)
        found = calibrate(footnote, suite, partial(progress, "asking"))
    terminal.show_calibration(found, as_json=as_json)


@app.command()
def doctor(
    source: Source = None,
    data: Data = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Also index, ask and evaluate with sockets blocked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the installation, the index and the folder; exit with 1 when something does not hold."""
    from api.doctor import examine

    findings = examine(_settings(source=source, data=data), offline=offline)
    terminal.show_findings(findings, as_json=as_json)
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(1)


@app.command()
def settings(as_json: Json = False) -> None:
    """Every setting, its value, and how to change it."""
    from api.settings import Settings

    terminal.show_settings(_settings(), Settings, as_json=as_json)


if __name__ == "__main__":
    main()
