"""An answer in the words of an LLM, of which only what the documents bear out is given.

The passages go in, sentences with numbers come back. Each is tied to the sentences of the passages it cites that bear
it out, judged by the checker, and footnoted; what is uncited, cited to a passage that was not given, or not borne out
is left out, or marked where the user wants to see it."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from index.generation import Generation
from index.tokens import count_tokens
from index.types import Encoder, Hit, Passage, Sentence
from rag.align import align
from rag.cite import SourceChanged, cite
from rag.draft import Draft, Drafts
from rag.errors import LlmError
from rag.llm import LLM
from rag.prompt import Context, harmless, make_context, new_fence, prompt, prompts_hash
from rag.types import AnswerSentence, Citation, Fallback, SentenceReady, Turn
from rag.verify import Checker, Judgement

DECLINED = "The documents don't say."
"""What an LLM is told to write where the passages do not answer."""

_MOST_SENTENCES = 30  # a reply that goes on has lost its way
_MOST_CHARS_A_TOKEN = 16  # three times what English has
_NEAREST = 2  # sentences cited at most for a sentence that shares no words with its passage

_UNCITED = Judgement("unsupported", 0.0, "it cites no passage that was given")
_UNSPOTTED = Judgement("unsupported", 0.0, "no few sentences of the passages bear it out by themselves")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How an LLM is asked; part of what names an answer."""

    context_tokens: int = 3_000  # of the passages it is given, by o200k_base
    max_tokens: int = 800  # that it may write
    timeout_s: float = 60.0  # for all that an LLM does for one answer
    unsupported: Literal["remove", "mark"] = "remove"


@dataclass(frozen=True, slots=True)
class Writer:
    """An LLM, and who judges what it writes."""

    llm: LLM
    checker: Checker
    options: WriteOptions = WriteOptions()

    @property
    def fingerprint(self) -> str:
        return f"{self.llm.fingerprint}/{prompts_hash()}/{self.checker.fingerprint}/{self.options}"


def warm() -> None:
    """Load what cuts and counts text, a second's work that would come out of the first answer's time."""
    count_tokens("warm")
    list(Drafts().feed("One sentence. Another one."))


@dataclass(slots=True)
class Written:
    """What came of it, beside the sentences."""

    fallback: Fallback = ""
    removed_sentences: int = 0
    removed_citations: int = 0


@dataclass(frozen=True, slots=True)
class _Checked:
    """A sentence with its judgement. ``citations`` have no place in the answer yet; none unless it is supported."""

    text: str
    judgement: Judgement
    citations: tuple[Citation, ...] = ()


def write(
    question: str,
    hits: Sequence[Hit],
    generation: Generation,
    encoder: Encoder,
    writer: Writer,
    *,
    until: float,
    source_changed: SourceChanged,
) -> Generator[SentenceReady, None, Written]:
    """The sentences of an answer, each as soon as it is checked. The LLM is given up at time.monotonic() == ``until``.

    Returns what came of it: with a fallback and no sentence there is no written answer. LlmError is not raised."""
    told = Written()
    place = _Place()
    held: list[_Checked] = []  # marked ones wait until one that is supported shows that there is an answer
    declined = False
    try:
        context = make_context(hits, new_fence(), writer.options.context_tokens)
        for draft in _drafts(question, context, writer, until):
            if _is_declined(draft.text):
                declined = True
                continue
            found = _check(draft, context, generation, encoder, writer.checker, source_changed, until)
            supported = found.judgement.verdict == "supported"
            if supported and not found.citations:
                told.removed_citations += 1
            if found.citations or writer.options.unsupported == "mark":
                held.append(found if found.citations else replace(found, judgement=_doubted(found.judgement)))
            else:
                told.removed_sentences += 1
            if found.citations or place.n_sentences:
                yield from map(place.ready, held)
                held.clear()
    except LlmError as error:
        told.fallback = error.code
    if not place.n_sentences and not told.fallback:
        alone = declined and not told.removed_sentences and not held
        told.fallback = "llm_declined" if alone else "llm_nothing_supported"
    return told


def _drafts(question: str, context: Context, writer: Writer, until: float) -> Iterator[Draft]:
    """What the LLM writes, sentence by sentence, each text once. Raises LlmError."""
    if not context.passages:
        raise LlmError("llm_context_too_small")
    messages = (
        Turn("system", prompt("answer", fence=context.fence, declined=DECLINED)),
        Turn("user", f"{context.text}\nQuestion: {' '.join(harmless(question).split())}"),
    )
    drafts = Drafts()
    given: set[str] = set()

    def fresh(some: Iterator[Draft]) -> Iterator[Draft]:
        for draft in some:
            if time.monotonic() >= until:
                raise LlmError("llm_timeout")  # checking takes time too
            if draft.text not in given:
                given.add(draft.text)
                yield draft

    left_s = until - time.monotonic()
    pieces = writer.llm.stream(messages, max_tokens=writer.options.max_tokens, timeout_s=left_s)
    n_chars = 0
    with closing(pieces):
        for piece in pieces:
            n_chars += len(piece)
            if time.monotonic() >= until:
                raise LlmError("llm_timeout")
            if len(given) >= _MOST_SENTENCES or n_chars > _MOST_CHARS_A_TOKEN * writer.options.max_tokens:
                raise LlmError("llm_too_long")  # not every endpoint keeps to max_tokens
            yield from fresh(drafts.feed(piece))
    yield from fresh(drafts.finish())


def _check(
    draft: Draft,
    context: Context,
    generation: Generation,
    encoder: Encoder,
    checker: Checker,
    source_changed: SourceChanged,
    until: float,
) -> _Checked:
    passages = [context.passages[n - 1] for n in draft.cited if 1 <= n <= len(context.passages)]
    if not passages:
        return _Checked(draft.text, _UNCITED)
    judgement, spots = _borne_out(draft.text, passages, generation, encoder, checker, until)
    citations = [
        cite(
            generation,
            passage,
            sentence,
            n=0,
            answer_start=0,
            source_changed=source_changed,
            support=judgement.support,
        )
        for passage, sentence in spots
    ]
    held = [citation for citation in citations if citation is not None]
    return _Checked(draft.text, judgement, tuple(held) if len(held) == len(spots) else ())


def _borne_out(
    text: str, passages: Sequence[Passage], generation: Generation, encoder: Encoder, checker: Checker, until: float
) -> tuple[Judgement, Sequence[tuple[Passage, Sentence]]]:
    """The judgement of ``text``, and the sentences that bear it out; none unless it is supported.

    All that is cited must support it, so that nothing beside the best sentences denies it; and the few that are
    footnoted must by themselves, so that whoever reads the footnotes has seen enough."""
    spots = [(passage, sentence) for passage in passages for sentence in passage.sentences]
    evidence = [sentence.text for _, sentence in spots]
    judged = checker.verify(text, evidence)
    if judged.verdict != "supported":
        return judged, ()
    by_words = align(text, evidence).sentences
    vectors = generation.sentences.take(np.array([one.row for _, one in spots], dtype=np.int64))  # (n, dim)
    by_meaning = np.argsort(-(vectors @ encoder.encode_query(text)), kind="stable")[:_NEAREST].tolist()
    for some in (by_words, (*by_words, *by_meaning[:1]), by_meaning):
        if time.monotonic() >= until:
            raise LlmError("llm_timeout")  # an LLM that judges takes its time as well
        few = sorted(set(some))
        judged = checker.verify(text, [evidence[i] for i in few])
        if judged.verdict == "supported":
            return judged, [spots[i] for i in few]
    return _UNSPOTTED, ()


def _doubted(judgement: Judgement) -> Judgement:
    """As a marked sentence has it: a sentence with no footnote is never called supported."""
    return _UNSPOTTED if judgement.verdict == "supported" else judgement


class _Place:
    """Where the next sentence stands in the answer, and the number of its first footnote."""

    def __init__(self) -> None:
        self.n_sentences = 0
        self._position, self._n = 0, 1

    def ready(self, found: _Checked) -> SentenceReady:
        start, end = self._position, self._position + len(found.text)
        citations = tuple(
            replace(citation, n=self._n + i, answer_start=start, answer_end=end)
            for i, citation in enumerate(found.citations)
        )
        self.n_sentences += 1
        self._position, self._n = end + 1, self._n + len(citations)  # one space between sentences
        judged = found.judgement
        numbers = tuple(citation.n for citation in citations)
        sentence = AnswerSentence(found.text, start, end, numbers, round(judged.support, 4), judged.verdict)
        return SentenceReady(sentence, citations)


def _is_declined(text: str) -> bool:
    return _letters(text) == _letters(DECLINED)


def _letters(text: str) -> str:
    return "".join(re.findall(r"\w", text.casefold()))
