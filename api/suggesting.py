"""Questions to begin with: made from what is indexed, and kept only when Footnote answers them itself."""

from __future__ import annotations

from collections import Counter

import anyio
from anyio import from_thread

from api.compose import Footnote
from api.gate import Gate
from eval.suggest import suggestions
from index.generation import Generation
from index.network import load_tokenizer
from rag.answer import AnswerOptions, answer, final
from rag.read import FOLDER
from rag.types import Question

WANTED = 4
_TRIES = 24  # questions put to the index before it is left at fewer: a second or so of work, once a generation
_A_DOCUMENT = 2  # of them from one document, or one long list of questions would speak for the whole folder
_PASSAGES = 400  # looked at, drawn evenly


class Suggester:
    """Suggestions of the live generation, made when first asked for; one caller at a time makes them."""

    def __init__(self, footnote: Footnote) -> None:
        self._footnote = footnote
        self._asking = anyio.Lock()  # of the event loop: those who wait take no thread meanwhile,
        # and one that is cancelled holds it until its thread is done
        self._made: tuple[str, list[str]] = ("", [])

    async def suggest(self, gate: Gate) -> tuple[str, list[str]]:
        """Name of the generation, and up to WANTED questions. Raises NoGeneration, and Overloaded as ``gate`` does."""
        async with self._asking:
            return await gate.run(self._suggested)

    def _suggested(self) -> tuple[str, list[str]]:
        with self._footnote.library.pin() as generation:
            if self._made[0] != generation.name:
                self._made = (generation.name, self._make(generation))
            return self._made

    def _make(self, generation: Generation) -> list[str]:
        every = generation.rows()
        rows = every[:: max(1, len(every) // _PASSAGES)]
        words = frozenset(load_tokenizer(FOLDER / "tokenizer.json").get_vocab())
        taken: Counter[str] = Counter()
        kept: list[str] = []
        tries = 0
        for made in suggestions(generation.store.passages(list(rows)), words=words):
            source = made.passage.document.source
            if taken[source] == _A_DOCUMENT:
                continue
            if len(kept) == WANTED or tries == _TRIES:
                break
            from_thread.check_cancelled()  # raises where nobody waits for it any more
            tries += 1
            if self._answers(made.question, generation):
                kept.append(made.question)
                taken[source] += 1
        return kept

    def _answers(self, question: str, generation: Generation) -> bool:
        """Whether the documents' own words answer, by a good margin: no language model is asked for this."""
        footnote = self._footnote
        floor = footnote.min_confidence
        given = final(
            answer(
                Question(question),
                generation,
                footnote.encoder,
                reader=footnote.reader,
                source_changed=lambda _: None,
                options=AnswerOptions(min_confidence=floor),
            )
        )
        return not given.abstained and given.confidence >= (floor + 1) / 2
