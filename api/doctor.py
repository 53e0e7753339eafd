"""Checks of the installation, the index and the folder, each with what it found."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from api.compose import Footnote
from api.settings import Settings
from eval.calibrate import read_calibration
from eval.errors import CalibrationError
from index.encode import OnnxEncoder
from index.errors import EncoderError, FootnoteError, IncompatibleIndex
from index.generation import listing
from index.parse.sandbox import Sandbox
from index.tokens import count_tokens
from rag.errors import CheckerError, ReaderError, RerankerError

State = Literal["ok", "note", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: State
    detail: str


def examine(settings: Settings, *, offline: bool = False) -> list[Finding]:
    """Everything there is to check; nothing is changed, but a model that was never used is exported."""
    footnote = Footnote(settings)
    findings = [*_installation(footnote), *_models_beside(footnote), *_index(footnote)]
    if offline:
        findings.append(_offline(settings))
    footnote.close()
    return findings


def _installation(footnote: Footnote) -> Iterator[Finding]:
    try:
        tokens = count_tokens("hello world")
        yield Finding("tiktoken", "ok" if tokens == 2 else "failed", f"o200k_base from the package: {tokens} tokens")
    except ValueError as error:
        yield Finding("tiktoken", "failed", str(error))
    yield _parsers(footnote)
    try:
        encoder = footnote.encoder
    except FootnoteError as error:
        yield Finding("encoder", "failed", str(error))
        return
    kind = f"int8 on {encoder.runtime}" if isinstance(encoder, OnnxEncoder) else "sentence-transformers"
    detail = f"{encoder.name} ({kind}), {encoder.dim} dimensions, window of {encoder.window} tokens"
    card = footnote.layout.encoders / encoder.fingerprint[:16] / "encoder.json"
    if card.is_file():
        parity = json.loads(card.read_text("utf-8"))["parity"]
        detail += f"; against the reference: cosine {parity['cosine_mean']}, top-10 overlap {parity['top10_overlap']}"
    yield Finding("encoder", "ok", detail)


def _parsers(footnote: Footnote) -> Finding:
    options = footnote.build_options()
    try:
        with Sandbox(options.limits, options.sandbox) as sandbox:
            layers = sandbox.confinement()
    except FootnoteError as error:
        return Finding("parsers", "failed", str(error))
    closed = "namespace" in layers or "filter" in layers
    detail = f"confined by {layers}" if closed else f"confined by {layers} alone: native code could reach the network"
    return Finding("parsers", "ok" if closed else "note", detail)


def _models_beside(footnote: Footnote) -> Iterator[Finding]:
    try:
        reader = footnote.reader
        reranker = footnote.reranker
        checker = footnote.checker if footnote.settings.checker else None
    except (ReaderError, RerankerError, CheckerError) as error:
        names = {ReaderError: "reader", RerankerError: "reranker", CheckerError: "checker"}
        yield Finding(names[type(error)], "failed", str(error))
        return
    if checker is not None:
        yield Finding("checker", "ok", f"SHA-256 {checker.fingerprint[:12]}")
    if reader is None:
        yield Finding("reader", "note", "turned off: passages are judged by words and cosines alone")
    else:
        yield Finding("reader", "ok", f"int8, SHA-256 {reader.fingerprint[:12]}")
    if reranker is not None:
        yield Finding("reranker", "ok", f"{Path(reranker.name).name}, SHA-256 {reranker.fingerprint[:12]}")


def _index(footnote: Footnote) -> Iterator[Finding]:
    for row in listing(footnote.layout):
        if row["problem"]:
            yield Finding(f"generation {row['name']}", "failed", row["problem"])
    try:
        with footnote.library.pin() as generation:
            counts = generation.manifest.counts
            degraded = footnote.library.degraded
            yield Finding(
                "index",
                "failed" if degraded else "ok",
                f"generation {generation.name}, {counts['documents']} documents, {counts['passages']} passages"
                + (f"; served instead of the newest: {degraded}" if degraded else ""),
            )
            try:
                generation.manifest.check_encoder(footnote.encoder.fingerprint)
            except EncoderError:
                pass  # found before
            except IncompatibleIndex as error:
                yield Finding("index", "failed", str(error))
            for source, chars, covered, passages in generation.store.coverage():
                detail = f"{covered} of {chars} characters lie in {passages} passages"
                yield Finding(f"coverage of {source}", "ok" if covered == chars else "failed", detail)
            longest, window = generation.store.longest_passage(), int(generation.manifest.encoder["window"])
            state: State = "ok" if longest <= window else "failed"
            yield Finding("window", state, f"the longest passage has {longest} of the encoder's {window} tokens")
            for skip in generation.store.skipped():
                yield Finding(skip.source, "note", f"skipped ({skip.reason}): {skip.detail}")
            yield from _calibration(footnote)
            changed = footnote.folder_changed(generation)
            if changed is None:
                yield Finding("source", "failed", f"the folder {footnote.settings.source} cannot be read")
            else:
                text = "has changed since: run footnote index" if changed else "is what was indexed"
                yield Finding("source", "note" if changed else "ok", f"the folder {footnote.settings.source} {text}")
    except FootnoteError as error:
        yield Finding("index", "failed", str(error))


def _calibration(footnote: Footnote) -> Iterator[Finding]:
    try:
        found = read_calibration(footnote.layout.calibration)
    except CalibrationError as error:
        yield Finding("calibration", "failed", str(error))
        return
    if found is None:
        return
    if "min_confidence" in footnote.settings.model_fields_set:
        yield Finding("calibration", "note", "not in use: the setting min_confidence is set")
    elif found.models != footnote.models:
        yield Finding("calibration", "note", "not in use: it was made with other models; run footnote eval calibrate")
    else:
        yield Finding("calibration", "ok", f"answers abstain below {found.min_confidence:g}, fitted {found.at}")


def _offline(settings: Settings) -> Finding:
    """Index, ask and evaluate in a process whose sockets are blocked from its first line."""
    with tempfile.TemporaryDirectory(prefix="footnote-offline-") as folder:
        run = subprocess.run(  # noqa: S603 - our own module
            # -P: a folder called api or index in the working folder is not ours.
            [sys.executable, "-P", "-m", "api.offline_probe", str(settings.source.resolve()), folder, settings.encoder],
            capture_output=True,
            text=True,
            check=False,
        )
    last = (run.stdout.strip().splitlines() or run.stderr.strip().splitlines() or ["no output"])[-1]
    return Finding("offline", "ok" if run.returncode == 0 else "failed", last)
