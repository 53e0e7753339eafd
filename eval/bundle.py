"""An answer as evidence: a file that anyone who has the documents can check, with no index and no model.

A bundle holds the whole answer, which names every document by the SHA-256 of its bytes and of its text. Checking reads
the documents again with the same parsers, cuts every citation out anew, and compares."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from eval.codec import from_json, to_json
from eval.errors import BundleError
from index.errors import SkipFile
from index.files import replace_file
from index.parse import PARSER_VERSION, Limits
from index.parse.sandbox import Sandbox, SandboxLimits
from rag.types import Answer, AnswerSentence, Citation

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    holds: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Bundle:
    answer: Answer
    parsers: str  # version of the parsers that made the texts
    seal: str  # SHA-256 of the answer as JSON


def write_bundle(path: Path, answer: Answer) -> None:
    value = to_json(answer)
    bundle = {"format": FORMAT, "parsers": PARSER_VERSION, "seal": _seal(value), "answer": value}
    replace_file(path, json.dumps(bundle, ensure_ascii=False, indent=1) + "\n")


def read_bundle(path: Path) -> Bundle:
    """Raises BundleError when the file is not a bundle of this format. What it says is not checked yet."""
    try:
        raw = json.loads(path.read_text("utf-8"))
        if raw["format"] != FORMAT:
            raise BundleError(f"{path} is a bundle of format {raw['format']}.", remedy="Use the version that made it.")
        return Bundle(from_json(Answer, raw["answer"]), str(raw["parsers"]), str(raw["seal"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BundleError(
            f"{path} is not a bundle ({error}).", remedy="footnote ask --bundle FILE makes one."
        ) from error


def verify(bundle: Bundle, source: Path) -> list[Check]:
    """Every check of the bundle against the documents below ``source``. It is sound when all of them hold."""
    answer = bundle.answer
    sealed = _seal(to_json(answer)) == bundle.seal
    checks = [
        Check("seal", sealed, "the answer is as it was sealed" if sealed else "the answer was changed afterwards"),
        *_text(answer),
        *(_sentence(answer, number, sentence) for number, sentence in enumerate(answer.sentences, start=1)),
    ]
    texts: dict[str, str] = {}
    with Sandbox(Limits(), SandboxLimits()) as sandbox:
        for citation in answer.citations:
            if citation.source not in texts:
                text, problem = _text_of(source, citation, bundle.parsers, sandbox)
                detail = problem or "bytes and text are those that were cited"
                checks.append(Check(f"document {citation.source}", not problem, detail))
                texts[citation.source] = text
            checks.append(_citation(answer, citation, texts[citation.source]))
    return checks


def _seal(answer: Any) -> str:
    return sha256(json.dumps(answer, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def _text(answer: Answer) -> Iterator[Check]:
    if answer.abstained:
        empty = not answer.sentences and not answer.citations
        yield Check("abstention", empty, "it says nothing" if empty else "it abstains and says something all the same")
        return
    joined = " ".join(sentence.text for sentence in answer.sentences)
    same = bool(joined) and joined == answer.text
    yield Check("text", same, "it is its sentences" if same else "it is not the sentences listed")


def _sentence(answer: Answer, number: int, sentence: AnswerSentence) -> Check:
    what = f"sentence {number}"
    if answer.text[sentence.start : sentence.end] != sentence.text:
        return Check(what, False, f"is not at {sentence.start} to {sentence.end} of the text")
    if not sentence.citations and sentence.verdict != "supported":
        return Check(what, True, f"has no footnote, and is marked as {sentence.verdict}")
    known = {citation.n for citation in answer.citations}
    if not sentence.citations or not known.issuperset(sentence.citations):
        return Check(what, False, "has no footnote, or one that is not listed")
    return Check(what, True, f"footnotes {', '.join(map(str, sentence.citations))}")


def _text_of(source: Path, citation: Citation, parsers: str, sandbox: Sandbox) -> tuple[str, str]:
    """(canonical text of the document as it is now, what is wrong with it: "" when it is the one cited)."""
    named = PurePosixPath(citation.source)
    path = source / named
    if named.is_absolute() or not path.resolve().is_relative_to(source.resolve()):
        return "", "its path leads out of the folder"
    if path.exists() and not path.is_file():  # to open a FIFO is to wait for it
        return "", "cannot be read: not a file"
    try:
        data = path.read_bytes()
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    if sha256(data).hexdigest() != citation.source_sha256:
        return "", "the file is another than the one cited"
    try:
        text = sandbox.parse(data, named.suffix).text
    except SkipFile as error:
        return "", f"cannot be parsed: {error}"
    if sha256(text.encode()).hexdigest() != citation.text_sha256:
        other = f"; it was made by parsers {parsers}, these are {PARSER_VERSION}" if parsers != PARSER_VERSION else ""
        return "", f"its text is another than the one cited{other}"
    return text, ""


def _citation(answer: Answer, citation: Citation, text: str) -> Check:
    what = f"footnote {citation.n}"
    start, end = citation.start_char, citation.end_char
    if not 0 <= start < end <= len(text) or text[start:end] != citation.cited_text:
        return Check(what, False, f"characters {start} to {end} of {citation.source} are not the text cited")
    if not 0 <= citation.answer_start < citation.answer_end <= len(answer.text):
        return Check(what, False, "stands under no part of the answer")
    noted = answer.text[citation.answer_start : citation.answer_end]
    if answer.mode == "extractive" and noted != citation.cited_text:
        return Check(what, False, "the part of the answer that it stands under is not the text cited")
    return Check(what, True, f"{citation.source}, characters {start} to {end}")
