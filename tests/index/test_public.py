"""What other packages may count on: the names of index, and what importing them costs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import index
import index.errors
import index.types

HEAVY = ("faiss", "onnxruntime", "sentence_transformers", "tantivy", "tiktoken", "torch", "nupunkt", "lxml")


def test_the_surface_is_this_list() -> None:
    assert set(index.__all__) == {
        *("FailedCase", "GateOutcome"),
        *("Document", "EncodedPassage", "Encoder", "Hit", "IngestReport", "Matrix", "Parsed", "Passage", "PassageSpan"),
        *("Place", "Segment", "SegmentKind", "Sentence", "SentenceSpan", "Signals", "Skipped", "Vector"),
        *("BuildFailed", "Busy", "CorruptGeneration", "DiskFailed", "DiskFull", "EncoderError", "FootnoteError"),
        *(
            "IncompatibleIndex",
            "NeedsConfirmation",
            "NoGeneration",
            "NotFound",
            "ReadOnly",
            "SkipFile",
            "SourceError",
            "SKIP_REASONS",
        ),
    }
    assert all(hasattr(index, name) for name in index.__all__)


def test_no_value_and_no_error_is_forgotten() -> None:
    for module in (index.types, index.errors):
        own = {
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_")
        }
        assert own <= set(index.__all__)


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = f"import sys, index; print([name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
