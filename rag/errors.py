"""What rag/ raises beside index.errors. Abstaining is never among them: it is an Answer with a reason."""

from __future__ import annotations

from index.errors import FootnoteError


class BadQuestion(FootnoteError):
    """The question cannot be answered as put: empty, or too long."""


class ReaderError(FootnoteError):
    """The reader's files are missing, damaged or of another format."""


class CheckerError(FootnoteError):
    """There is no such checker, or it cannot be loaded."""


class RerankerError(FootnoteError):
    """There is no such reranker, or it cannot be loaded."""
