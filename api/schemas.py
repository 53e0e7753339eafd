"""What comes in over HTTP, checked; what goes out are the dataclasses of index/ and rag/ as they are."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.citation_formats import CitationFormat
from api.jobs import Job
from index.types import Document
from rag.answer import MAX_QUESTION_BYTES
from rag.types import Mode, Question, Turn

MAX_K = 50
MAX_MESSAGES = 100
MAX_MESSAGE_CHARS = 100_000


def printable(value: object) -> object:
    """JSON can smuggle in half a surrogate pair, as of an emoji cut in two, which no encoder of text takes."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, BeforeValidator(printable)]  # before: pydantic itself refuses such a text
_WHOLE = BeforeValidator(_whole)  # 5.0 is a whole number in JSON; bounds stand inside, or the document would lose them
Whole = Annotated[int, _WHOLE]
K = Annotated[int, Field(ge=1, le=MAX_K), _WHOLE]
Names = Annotated[list[Annotated[Text, Field(max_length=4096)]], Field(max_length=1000)]


class Request(BaseModel):
    """Strict: a 1 or "yes" is no true, as the OpenAPI document says; what confirms a deletion must mean to."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Message(Request):
    role: Literal["user", "assistant", "system"]
    content: Text = Field(max_length=MAX_MESSAGE_CHARS)


class Narrowed(Request):
    """What a question can have beside its words, whichever door it comes in by."""

    k: K | None = Field(None, description="passages to retrieve")
    mode: Mode | None = Field(None, description="quoted or written; written when left out and there is an LLM")
    documents: Names = Field([], description="ids or sources of the documents to look in; all when empty")
    without: Names = Field([], description="ids or sources of documents not to look in")
    sentences: Annotated[int, Field(ge=1, le=10), _WHOLE] | None = Field(
        None, description="sentences to quote at most; as many as the question asks for when left out"
    )

    def question_of(self, text: str, turns: tuple[Turn, ...], default_k: int) -> Question:
        return Question(
            text,
            turns,
            k=self.k or default_k,
            documents=tuple(self.documents),
            without=tuple(self.without),
            sentences=self.sentences or 0,
            mode=self.mode or "",
        )


class Asked(Narrowed):
    """A question and the conversation that it belongs to."""

    question: Text = Field(max_length=MAX_QUESTION_BYTES, examples=["How many wounded soldiers were sent?"])
    messages: list[Message] = Field([], max_length=MAX_MESSAGES, description="the conversation before the question")

    def to_question(self, default_k: int) -> Question:
        turns = tuple(Turn(message.role, message.content) for message in self.messages)
        return self.question_of(self.question, turns, default_k)


class AskRequest(Asked):
    stream: bool = Field(False, description="send server-sent events")
    citation_format: CitationFormat = Field(
        "native", description="also give the citations in this shape, in the field formatted"
    )


class SearchRequest(Request):
    query: Text = Field(min_length=1, max_length=MAX_QUESTION_BYTES)
    k: K | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000), _WHOLE] | None = Field(
        None, description="budget of o200k_base tokens: as many passages, best first, as fit it"
    )
    documents: Names = []


class FeedbackRequest(Request):
    answer_id: str = Field(max_length=64)
    verdict: Literal["up", "down"]
    comment: Text = Field("", max_length=4000)


class RollbackRequest(Request):
    generation: str | None = Field(None, max_length=32, description="which; the one before the live one when left out")


class RebuildRequest(Request):
    confirm_deletions: bool = Field(False, description="go on although many documents are gone from the folder")


class SearchResponse(BaseModel):
    generation: str
    query: str
    passages: list[dict[str, Any]]
    tokens: int | None = Field(None, description="o200k_base tokens of the passages together, when a budget was given")


class DocumentEntry(BaseModel):
    """A document as it is indexed, and whether its file is still the same."""

    document_id: str
    source: str
    title: str
    format: str
    state: Literal["indexed", "changed", "missing", "unknown"]
    source_sha256: str
    text_sha256: str
    size: int
    n_chars: int
    n_passages: int
    n_sentences: int
    warnings: list[str]
    duplicate_of: str

    @classmethod
    def of(cls, document: Document, changed: bool | None, missing: bool) -> DocumentEntry:
        state: Literal["indexed", "changed", "missing", "unknown"] = "indexed"
        if changed is None:
            state = "unknown"
        elif changed:
            state = "missing" if missing else "changed"
        return cls(
            document_id=document.document_id,
            source=document.source,
            title=document.title,
            format=document.format,
            state=state,
            source_sha256=document.source_sha256,
            text_sha256=document.text_sha256,
            size=document.size,
            n_chars=document.n_chars,
            n_passages=document.n_passages,
            n_sentences=document.n_sentences,
            warnings=list(document.warnings),
            duplicate_of=document.duplicate_of,
        )


class SkippedEntry(BaseModel):
    """A file of the folder that is not indexed, and why."""

    source: str
    reason: str
    detail: str


class DocumentList(BaseModel):
    generation: str
    documents: list[DocumentEntry]
    skipped: list[SkippedEntry]


class IndexStatus(BaseModel):
    generation: str
    created_at: str
    age_s: int
    documents: int
    passages: int
    sentences: int
    encoder: dict[str, Any]
    source_changed: bool | None = Field(description="the folder differs from what is indexed; null when unreadable")
    degraded: str = Field(
        description="why the newest generation is not served, or no newer one can be; empty when all is well"
    )
    min_confidence: float = Field(description="below this confidence answers abstain")
    calibration: dict[str, Any] | None = Field(description="what footnote eval calibrate found; null when not in use")
    job: Job | None = Field(description="the running rebuild, or the last when it needs confirmation")
    last_report: dict[str, Any]


class SettingEntry(BaseModel):
    name: str
    value: str | int | float | bool | None = Field(description="null where it is kept secret")
    given: bool = Field(description="set by a variable, a file or an option; false for a default")
    secret: bool = False
    description: str


class SettingList(BaseModel):
    settings: list[SettingEntry]


class Suggestions(BaseModel):
    generation: str
    questions: list[str]


class Published(BaseModel):
    generation: str


class Received(BaseModel):
    status: Literal["received"] = "received"


class Status(BaseModel):
    status: str
    generation: str = ""
    detail: str = ""
