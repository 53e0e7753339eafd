"""Evaluations put together: a suite, the index it is asked of, and the product's own way to answer."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

import eval as evaluation_package
from api import terminal
from api.compose import Footnote
from api.remote import Remote
from api.settings import Settings
from eval.cases import load_suite
from eval.errors import SuiteError
from eval.run import run_suite
from eval.types import Case, Evidence, Record, Suite, Summary
from index.encode import load_encoder
from index.generation import Generation, Layout
from rag.answer import final

SUITES = Path(evaluation_package.__file__).resolve().parent / "suites"
_SMALL_SUITE_CASES = 5


def evaluate(name: str, settings: Settings, out: Path | None, *, generation: str = "", quiet: bool = False) -> Summary:
    """Bring the suite's documents up to date in an index and ask every case of it.

    A suite about the folder that the settings name is asked of that index; any other gets an index of its own below
    the data folder. With ``generation`` that one of its generations is asked, and nothing is brought up to date.
    Reports go to ``out``, or to runs/SUITE below the data folder."""
    suite = load_suite(name, SUITES)
    source = _folder(suite)
    data = settings.data
    if source.resolve() != settings.source.resolve():
        data = settings.data / "suites" / suite.name
    # The exported model is the same for every index: one is enough.
    encoder = partial(load_encoder, settings.encoder, Layout(settings.data).encoders, settings.runtime)
    footnote = Footnote(settings.model_copy(update={"source": source, "data": data}), encoder=encoder)
    folder = out or settings.data / "runs" / suite.name
    with closing(footnote), terminal.progress(quiet=quiet) as progress:
        if generation:
            with footnote.library.open_by_name(generation) as opened:
                return evaluate_generation(footnote, opened, suite, folder, partial(progress, "asking"))
        footnote.rebuild(progress, confirm_deletions=data != settings.data)  # an index that serves nobody
        return evaluate_with(footnote, suite, folder, partial(progress, "asking"))


def evaluate_url(name: str, url: str, settings: Settings, out: Path | None, *, quiet: bool = False) -> Summary:
    """Ask every case of a suite of the server at ``url``. Its settings are its own business and are not recorded."""
    suite = load_suite(name, SUITES)
    server = Remote(url, key=settings.remote_key.get_secret_value())
    with closing(server) as remote, terminal.progress(quiet=quiet) as progress:
        return run_suite(
            suite,
            ask=remote.ask,
            texts=remote.texts(),
            context=remote.context(),
            out=out or settings.data / "runs" / suite.name,
            on_progress=lambda done, total, _: progress("asking", done, total),
        )


def evaluate_with(
    footnote: Footnote, suite: Suite, out: Path | None, progress: terminal.Asked = lambda *_: None
) -> Summary:
    """Ask every case of ``suite`` of what ``footnote`` serves."""
    with footnote.library.pin() as generation:
        return evaluate_generation(footnote, generation, suite, out, progress)


def evaluate_generation(
    footnote: Footnote,
    generation: Generation,
    suite: Suite,
    out: Path | None,
    progress: terminal.Asked = lambda *_: None,
) -> Summary:
    """Ask every case of ``suite`` of ``generation``, with the models and settings of ``footnote``. Raises
    IncompatibleIndex when it was made with another encoder."""
    generation.manifest.check_encoder(footnote.encoder.fingerprint)
    texts, context = describe(footnote, generation)

    def asked(done: int, total: int, _: Record) -> None:
        progress(done, total)

    return run_suite(
        suite,
        ask=lambda question: final(footnote.ask_of(generation, question)),
        checker=footnote.checker,
        texts=texts,
        context=context,
        out=out,
        on_progress=asked,
    )


def served(footnote: Footnote) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """``describe`` of the live generation."""
    with footnote.library.pin() as generation:
        return describe(footnote, generation)


def describe(footnote: Footnote, generation: Generation) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """What ``footnote`` answers from, for an evaluation: source -> (document_id, canonical text), and what tells this
    run from another, by name."""
    store = generation.store
    texts = {one.source: (one.document_id, store.text(one.document_id)) for one in store.documents()}
    return texts, {
        "generation": generation.name,
        "settings_hash": footnote.settings.settings_hash,
        "model_fingerprint": str(generation.manifest.encoder["fingerprint"]),
        "min_confidence": f"{footnote.min_confidence:g}",
        "checker_fingerprint": footnote.checker.fingerprint,
        "reader_fingerprint": footnote.reader.fingerprint if footnote.reader else "",
        "reranker_fingerprint": footnote.reranker.fingerprint if footnote.reranker else "",
        "writer_fingerprint": footnote.writer.fingerprint if footnote.writer else "",
    }


def _folder(suite: Suite) -> Path:
    """The suite's documents: below the working folder, or else beside the package."""
    for base in (Path.cwd(), SUITES.parent.parent):
        if (base / suite.source).is_dir():
            return base / suite.source
    raise SuiteError(
        f"The suite {suite.name!r} is about the folder {suite.source!r}, which is not here.",
        remedy="Run the command in the folder that holds it.",
    )


def small_suite(footnote: Footnote) -> Suite:
    """A few cases made of the documents' own sentences, to show that evaluation works."""
    cases: list[Case] = []
    with footnote.library.pin() as generation:
        for document in generation.store.documents()[:_SMALL_SUITE_CASES]:
            text = generation.store.text(document.document_id)
            for row in generation.store.rows_of([document.document_id])[:1]:
                (passage,) = generation.store.passages([row])
                sentence = max(passage.sentences, key=lambda sentence: len(sentence.text))
                if text.count(sentence.text) == 1 and any(character.isalnum() for character in sentence.text):
                    evidence = Evidence(document.source, sentence.text)
                    cases.append(Case(f"own-{len(cases)}", sentence.text[:500], True, evidence=(evidence,)))
    digest = sha256(repr(cases).encode()).hexdigest()
    return Suite("own-sentences", str(footnote.settings.source), Path(), tuple(cases), (), digest)
