"""What rag/ raises beside index.errors. Abstaining is never among them: it is an Answer with a reason."""

from __future__ import annotations

from typing import get_args

from index.errors import FootnoteError
from rag.types import Fallback


class BadQuestion(FootnoteError):
    """The question cannot be answered as put: empty, or too long."""


class ReaderError(FootnoteError):
    """The reader's files are missing, damaged or of another format."""


class CheckerError(FootnoteError):
    """There is no such checker, or it cannot be loaded."""


class RerankerError(FootnoteError):
    """There is no such reranker, or it cannot be loaded."""


class LlmMissing(FootnoteError):
    """A written answer was asked for, and no LLM is configured."""


class LlmError(FootnoteError):
    """The LLM gave no answer that can be used. ``code`` says why and ends up in Answer.fallback; it is caught in rag/
    and never a problem of the client's."""

    def __init__(self, code: str, detail: str = "") -> None:
        assert code in get_args(Fallback), code
        super().__init__(f"The LLM was of no use ({code}{', ' if detail else ''}{detail}).", remedy="See docs/llm.md.")
        self.code: Fallback = code  # type: ignore[assignment] # asserted above
        self.detail = detail

    def __reduce__(self) -> tuple[type[LlmError], tuple[str, str]]:
        return LlmError, (self.code, self.detail)
