"""The one place where everything is put together: settings in, a Footnote out that every door uses."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from api.jobs import Job, Jobs
from api.settings import Settings
from eval.calibrate import Calibration, read_calibration
from eval.codec import to_json
from eval.errors import CalibrationError
from index.build import Gate, Progress, build
from index.disk import takes_writes
from index.encode import load_encoder
from index.errors import NotFound
from index.freshness import folder_changed, source_changed
from index.generation import Generation, Layout, accept, roll_back
from index.ingest import BuildOptions
from index.live import Library
from index.parse import Limits
from index.parse.sandbox import SandboxLimits
from index.search import make_query
from index.types import Encoder, Hit, IngestReport
from index.worker import build_in_child
from rag.answer import AnswerOptions, answer
from rag.breaker import Guarded
from rag.errors import CheckerError, LlmError
from rag.judge import LlmChecker
from rag.llm import ChatLlm, Endpoint
from rag.nli import NliChecker
from rag.read import OnnxReader, Reader
from rag.rerank import CrossEncoderReranker, Reranker, find
from rag.types import Answer, Done, Event, Question
from rag.verify import AlignmentChecker, Checker
from rag.write import WriteOptions, Writer

_log = structlog.get_logger()
_JUDGE_TIMEOUT_S = 15.0  # for one sentence, where the LLM is the checker
_RECENT = 1_000  # answers remembered so that feedback can name one; nothing else is kept of a conversation


class Footnote:
    """The application without a door. Safe to use from threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        encoder: Callable[[], Encoder] | None = None,
        reader: Callable[[], Reader] = OnnxReader,
        in_child: bool = True,
    ) -> None:
        """``encoder`` and ``reader`` replace the models that the settings name; ``in_child`` False builds in this
        process. All are for tests: the rest of the application is the same."""
        self.settings = settings
        self.layout = Layout(settings.data)
        self._load_encoder = encoder or partial(load_encoder, settings.encoder, self.layout.encoders, settings.runtime)
        self._in_child = in_child
        self._load_reader = reader
        self._encoder: Encoder | None = None
        self._reader: Reader | None = None
        self._reranker: Reranker | None = None
        self._checker: Checker | None = None
        self._llm: Guarded | None = None
        self._models_lock = threading.Lock()
        self.library = Library(settings.data, encoder=settings.encoder)
        self.jobs = Jobs(self.rebuild, self.library.refresh)
        self._recent: OrderedDict[str, Answer] = OrderedDict()
        self._recent_lock = threading.Lock()

    # -- asking ------------------------------------------------------------------------------------------------------

    @property
    def encoder(self) -> Encoder:
        """Loaded on first use and kept."""
        with self._models_lock:
            if self._encoder is None:
                self._encoder = self._load_encoder()
                self.library.fingerprint = self._encoder.fingerprint
            return self._encoder

    @property
    def reader(self) -> Reader | None:
        """Loaded on first use and kept; None where the settings turn it off."""
        with self._models_lock:
            if self._reader is None and self.settings.reader:
                self._reader = self._load_reader()
            return self._reader

    @property
    def reranker(self) -> Reranker | None:
        """Loaded on first use and kept; None unless the settings name one."""
        with self._models_lock:
            if self._reranker is None and self.settings.reranker:
                self._reranker = CrossEncoderReranker(self.settings.reranker)
            return self._reranker

    @property
    def checker(self) -> Checker:
        """Judges whether a text bears a sentence out, with the models that the settings name."""
        encoder, reader, llm = self.encoder, self.reader, self.llm
        with self._models_lock:
            if self._checker is None and self.settings.checker == "llm":
                if llm is None:
                    raise CheckerError(
                        "The checker is to be the LLM, and there is none.", remedy="Set FOOTNOTE_LLM_URL."
                    )
                self._checker = LlmChecker(llm, min(self.settings.llm_timeout_s, _JUDGE_TIMEOUT_S))
            elif self._checker is None and self.settings.checker:
                self._checker = NliChecker(self.settings.checker)
            if self._checker is None:
                self._checker = AlignmentChecker(encoder.encode_query, encoder.fingerprint, reader)
            return self._checker

    @property
    def llm(self) -> Guarded | None:
        """Made on first use and kept, for its breaker remembers; None unless the settings name an endpoint."""
        settings = self.settings
        with self._models_lock:
            if self._llm is None and settings.llm_url:
                key = settings.llm_api_key.get_secret_value()
                endpoint = Endpoint(settings.llm_url, settings.llm_model, key, settings.llm_idle_s)
                self._llm = Guarded(ChatLlm(endpoint), on_failure=_llm_failed)
            return self._llm

    @property
    def writer(self) -> Writer | None:
        """Writes answers and has each sentence checked; None without an LLM."""
        llm, settings = self.llm, self.settings
        if llm is None:
            return None
        options = WriteOptions(
            context_tokens=settings.llm_context_tokens,
            max_tokens=settings.llm_max_tokens,
            timeout_s=settings.llm_timeout_s,
            unsupported=settings.llm_unsupported,
        )
        return Writer(llm, self.checker, options)

    @property
    def models(self) -> str:
        """Fingerprint of all models that decide how sure an answer is."""
        some = (self.encoder, self.reader, self.reranker)
        return sha256(" ".join(model.fingerprint if model else "-" for model in some).encode()).hexdigest()[:16]

    @property
    def calibration(self) -> Calibration | None:
        """What ``footnote eval calibrate`` found; None when a setting says otherwise, when it was found with other
        models, or when there is none. Raises CalibrationError when the file is damaged."""
        if "min_confidence" in self.settings.model_fields_set:
            return None
        found = read_calibration(self.layout.calibration)
        return found if found is not None and found.models == self.models else None

    @property
    def min_confidence(self) -> float:
        """Below it Footnote abstains: as calibrated, or as the settings say."""
        try:
            found = self.calibration
        except CalibrationError as error:
            _log.warning("calibration", problem=str(error))
            found = None
        return found.min_confidence if found else self.settings.min_confidence

    def ask(self, question: Question) -> Iterator[Event]:
        """Events of one answer, from one generation. The generation is let go when the iterator ends or is closed."""
        with self.library.pin() as generation:
            for event in self.ask_of(generation, question):
                if isinstance(event, Done):
                    self._remember(event.answer)
                yield event

    def ask_of(self, generation: Generation, question: Question) -> Iterator[Event]:
        """As ``ask``, from a generation that the caller holds open: an earlier one, or one not published yet."""
        return answer(
            question,
            generation,
            self.encoder,
            reader=self.reader,
            reranker=self.reranker,
            writer=self._writer_of(question),
            source_changed=partial(source_changed, self.settings.source, generation),
            options=AnswerOptions(min_confidence=self.min_confidence),
        )

    def _writer_of(self, question: Question) -> Writer | None:
        writer = self.writer if question.mode != "extractive" else None
        if writer is None or not question.plain:
            return writer
        return replace(writer, options=replace(writer.options, unsupported="remove"))

    def search(self, query: str, k: int, documents: tuple[str, ...] = ()) -> tuple[str, list[Hit]]:
        """Name of the generation, and the ``k`` best passages. Raises NotFound when a named document is not indexed."""
        with self.library.pin() as generation:
            among = generation.store.resolve(documents) if documents else None
            if among is not None and not among:
                raise NotFound("None of the documents named is indexed.", remedy="List them: GET /v1/documents.")
            queries = [make_query(query, self.encoder)]
            return generation.name, find(query, queries, generation, self.reranker, k=k, documents=among)

    # -- the index ---------------------------------------------------------------------------------------------------

    def build_options(self, *, plan: bool = False, full: bool = False, confirm_deletions: bool = False) -> BuildOptions:
        settings = self.settings
        return BuildOptions(
            source=settings.source,
            data=settings.data,
            max_tokens=settings.passage_tokens,
            max_file_bytes=settings.max_file_mb * 1_000_000,
            limits=Limits(max_text_chars=settings.max_text_chars, max_pages=settings.max_pages),
            sandbox=SandboxLimits(settings.parse_memory_mb, settings.parse_cpu_s, settings.parse_wall_s),
            full=full,
            plan=plan,
            confirm_deletions=confirm_deletions,
            threads=settings.threads,
            max_memory_mb=settings.max_memory_mb,
            check_room=settings.check_room,
        )

    def rebuild(
        self, progress: Progress, *, plan: bool = False, full: bool = False, confirm_deletions: bool = False
    ) -> IngestReport:
        """Bring the index up to date with the source folder (or say what that would do)."""
        options = self.build_options(plan=plan, full=full, confirm_deletions=confirm_deletions)
        gate = self._gate()
        if self._in_child:
            return build_in_child(options, self._load_encoder, progress, gate)
        return build(options, self.encoder, progress, gate)

    def _gate(self) -> Gate | None:
        """The suite that the settings set before publishing. Late: it asks through a Footnote of its own."""
        if not self.settings.gate_suite:
            return None
        from api.gating import ask_suite

        return partial(ask_suite, self.settings, self._load_encoder, self._load_reader)

    def accept(self) -> str:
        """Publish the generation that did not pass its gate; returns its name."""
        published = accept(self.layout)
        self.library.refresh()
        return published

    def roll_back(self, name: str = "") -> str:
        """Serve an earlier generation again; returns its name."""
        published = roll_back(self.layout, name)
        self.library.refresh()
        return published

    def has_index(self) -> bool:
        return self.layout.current.exists()

    @property
    def degraded(self) -> str:
        """Why what is served is not, or will not be, up to date; "" when all is well."""
        if self.library.degraded or takes_writes(self.layout.lock):
            return self.library.degraded
        return "The data folder cannot be written to: the index stays as it is."

    def describe(self) -> dict[str, Any]:
        """What is being served, for GET /v1/index."""
        with self.library.pin() as generation:
            manifest = generation.manifest
            age = datetime.now(UTC) - datetime.fromisoformat(manifest.created_at)
            return {
                "generation": generation.name,
                "created_at": manifest.created_at,
                "age_s": max(0, round(age.total_seconds())),
                "documents": manifest.counts["documents"],
                "passages": manifest.counts["passages"],
                "sentences": manifest.counts["sentences"],
                # Of a model in a folder only the folder's name: where it lies is the server's own business.
                "encoder": {**manifest.encoder, "name": Path(manifest.encoder["name"]).name},
                "source_changed": self.folder_changed(generation),
                "degraded": self.degraded,
                "min_confidence": self.min_confidence,
                "calibration": self._described_calibration(),
                "job": self._job_to_tell(generation),
                "last_report": self.last_report(generation),
            }

    def _job_to_tell(self, generation: Generation) -> Job | None:
        """The one that runs, or the last where it waits for a word about this index."""
        job = self.jobs.telling()
        if job is not None and job.vanished is not None and job.vanished.of != generation.manifest.counts["documents"]:
            return None  # another process has built since
        return job

    def _described_calibration(self) -> dict[str, Any] | None:
        with suppress(CalibrationError):  # the doctor tells; the threshold of the settings is used
            found = self.calibration
            return to_json(found) if found else None
        return None

    def last_report(self, generation: Generation) -> dict[str, Any]:
        """What the last build found and did, also when it published nothing; without word of it, what the build of
        ``generation`` did."""
        try:
            found = json.loads(self.layout.report.read_text("utf-8"))
        except (OSError, ValueError):
            return generation.manifest.report
        return found if found and isinstance(found, dict) else generation.manifest.report

    def folder_changed(self, generation: Generation) -> bool | None:
        """Whether the source folder differs from what is indexed; None when it cannot be read."""
        limit = self.settings.max_file_mb * 1_000_000
        return folder_changed(self.settings.source, generation, data=self.settings.data, max_bytes=limit)

    # -- feedback ----------------------------------------------------------------------------------------------------

    def _remember(self, given: Answer) -> None:
        with self._recent_lock:
            self._recent[given.answer_id] = given
            self._recent.move_to_end(given.answer_id)
            while len(self._recent) > _RECENT:
                self._recent.popitem(last=False)

    def feedback(self, answer_id: str, verdict: str, comment: str) -> None:
        """Append one line to data/feedback.jsonl: the verdict, and the answer it is about. Raises NotFound."""
        with self._recent_lock:
            given = self._recent.get(answer_id)
        if given is None:
            raise NotFound(
                f"There is no recent answer {answer_id!r}.", remedy="Give feedback on an answer of this server's run."
            )
        line = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "answer_id": answer_id,
            "verdict": verdict,
            "comment": comment,
            "answer": asdict(given),
        }
        append_line(self.settings.data / "feedback.jsonl", json.dumps(line, ensure_ascii=False, default=list))

    def close(self) -> None:
        self.jobs.close()
        self.library.close()


def _llm_failed(error: LlmError) -> None:
    _log.warning("llm_failed", code=error.code, detail=error.detail)


def append_line(path: Path, line: str) -> None:
    """Add one line to a file, durably; lines of several writers never mix."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
