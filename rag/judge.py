"""An LLM as a checker. Its reply is read strictly: what is not exactly what was asked for is no judgement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, get_args

from rag.align import stands_in
from rag.errors import LlmError
from rag.llm import LLM, reply
from rag.prompt import fenced, new_fence, prompt, prompts_hash, visible
from rag.types import Turn, Verdict
from rag.verify import NOTHING_TO_JUDGE, QUOTED, Judgement

_MAX_TOKENS = 300
_MAX_WHY_CHARS = 300
_SUPPORT = {"supported": 0.9, "unsupported": 0.1, "contradicted": 0.0}  # an LLM's own number would mean little more
_VERDICTS = frozenset(get_args(Verdict)) - {"unjudged"}


class LlmChecker:
    """Supported when the LLM says so in the form that the prompt asks for; what stands in the text word for word is
    not asked about."""

    def __init__(self, llm: LLM, timeout_s: float) -> None:
        """``timeout_s`` for one sentence."""
        self._llm = llm
        self._timeout_s = timeout_s
        self.fingerprint = f"llm/{llm.fingerprint}/{prompts_hash()}"

    def verify(self, sentence: str, evidence: Sequence[str]) -> Judgement:
        evidence = [one for one in evidence if one.strip()]
        if not sentence.strip() or not evidence:
            return NOTHING_TO_JUDGE
        if stands_in(sentence, evidence):
            return Judgement("supported", 1.0, QUOTED)
        fence = new_fence()
        asked = fenced("\n".join(evidence), f"{fence} text") + fenced(sentence, f"{fence} sentence")
        request = (Turn("system", prompt("judge", fence=fence)), Turn("user", asked))
        try:
            return _read(reply(self._llm, request, max_tokens=_MAX_TOKENS, timeout_s=self._timeout_s), sentence)
        except LlmError as error:
            return Judgement("unjudged", 0.0, f"the LLM did not judge it ({error.code})")


def _read(text: str, sentence: str) -> Judgement:
    """The judgement in a reply; "unjudged" when it is of another form, contradicts itself, or names words that the
    sentence does not have."""
    try:
        found: Any = json.loads(text)
        verdict, words, why = found["verdict"], found["words"], found["why"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return _UNREADABLE
    readable = (
        len(found) == 3
        and isinstance(verdict, str)
        and verdict in _VERDICTS
        and isinstance(why, str)
        and isinstance(words, list)
        and all(isinstance(word, str) and word and word in sentence for word in words)
        and not (words and verdict == "supported")
    )
    if not readable:
        return _UNREADABLE
    kept: Verdict = verdict
    return Judgement(kept, _SUPPORT[kept], visible(why)[:_MAX_WHY_CHARS] or kept, tuple(words))


_UNREADABLE = Judgement("unjudged", 0.0, "the LLM's judgement cannot be read")
