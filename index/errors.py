"""Everything that index/ raises. Each error carries its data and says what to do next.

FootnoteError
├── SourceError        the folder of documents is missing, empty or unreadable
├── SkipFile           one file is left out, with a typed reason; never stops a build
├── NoGeneration       nothing has been indexed yet
├── IncompatibleIndex  made by another format version, encoder or passage rule
├── CorruptGeneration  a file does not match the manifest
├── NotFound           no such document, passage or generation
├── Busy               another process is writing
├── EncoderError       a model cannot be loaded or exported
├── DiskFull           the data folder's disk is full, or a build would not fit on it
├── ReadOnly           the data folder cannot be written to
├── DiskFailed         the data folder's disk does not do what it is told
├── NeedsConfirmation  so much is gone from the folder that deleting it is asked about first
└── BuildFailed        the build process died or raised
"""

from __future__ import annotations


class FootnoteError(Exception):
    """Base of all errors a user can do something about."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SourceError(FootnoteError): ...


class NoGeneration(FootnoteError): ...


class IncompatibleIndex(FootnoteError): ...


class CorruptGeneration(FootnoteError): ...


class NotFound(FootnoteError): ...


class Busy(FootnoteError): ...


class EncoderError(FootnoteError): ...


class DiskFull(FootnoteError): ...


class ReadOnly(FootnoteError): ...


class DiskFailed(FootnoteError): ...


class NeedsConfirmation(FootnoteError):
    """``vanished`` are the sources that would go, of ``served`` documents."""

    def __init__(self, message: str, *, remedy: str = "", vanished: tuple[str, ...] = (), served: int = 0) -> None:
        super().__init__(message, remedy=remedy)
        self.vanished = vanished
        self.served = served


class BuildFailed(FootnoteError): ...


SKIP_REASONS: dict[str, str] = {
    "empty": "the file holds no text",
    "no_text": "the file has pages but no text on them (a scan?)",
    "too_large": "the file is larger than the limit",
    "text_too_large": "the text in the file is longer than the limit",
    "passage_cap": "the text makes more passages than the limit",
    "unsupported": "no parser reads this kind of file",
    "type_mismatch": "the content is not what the extension says",
    "binary": "the file is not text",
    "encoding": "the text encoding could not be told",
    "encrypted": "the file needs a password",
    "corrupt": "the file is damaged",
    "zip_ratio": "the archive would inflate beyond the limit",
    "xml_entity": "the XML declares entities",
    "parser_limit": "the file is too deep or too complex",
    "timeout": "the file takes too long to read",
    "symlink": "links are not followed",
    "not_regular": "not a regular file",
    "path_limit": "the path is too long or too deep",
    "unreadable": "the file could not be opened or read",
    "vanished": "the file went away during the scan",
    "unstable": "the file kept changing while it was read",
}


class SkipFile(FootnoteError):
    """One file is left out. ``reason`` is a key of SKIP_REASONS."""

    def __init__(self, reason: str, detail: str = "") -> None:
        assert reason in SKIP_REASONS, reason
        super().__init__(detail or SKIP_REASONS[reason])
        self.reason = reason
        self.detail = detail or SKIP_REASONS[reason]

    def __reduce__(self) -> tuple[type[SkipFile], tuple[str, str]]:
        return SkipFile, (self.reason, self.detail)
