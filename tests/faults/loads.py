"""Runs a piece of a test and tells what Python was made to load or run meanwhile: python -m tests.faults.loads ...

An audit hook cannot be taken off again, so that the program that has one is a process of its own. It prints, as JSON,
the classes that were unpickled, the marshalled data that somebody but the import system read, the sources compiled that
hold the mark, and the files opened whose names tell of models and pickles."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MARK = "mark_of_a_document"
SUFFIXES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".faiss", ".npy", ".joblib", ".pyc")
_IMPORT_SYSTEM = ("<frozen importlib", "<frozen zipimport>")


class Seen:
    """What an audit hook was told of."""

    def __init__(self, source: Path) -> None:
        self.pickles: list[str] = []
        self.marshalled: list[str] = []
        self.compiled: list[str] = []
        self.opened: list[str] = []
        self._source = str(source)
        self.on = True

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        match event:
            case "pickle.find_class":
                self.pickles.append(".".join(map(str, arguments)))
            case "marshal.loads" | "marshal.load":
                caller = sys._getframe(1).f_code.co_filename
                if not caller.startswith(_IMPORT_SYSTEM):
                    self.marshalled.append(caller)
            case "compile" if arguments[0] is not None:
                source = arguments[0]
                text = source.decode("utf-8", "replace") if isinstance(source, bytes) else str(source)
                if MARK in text:
                    self.compiled.append(text[:200])
            case "open" if isinstance(arguments[0], str | bytes):
                path = arguments[0] if isinstance(arguments[0], str) else arguments[0].decode("utf-8", "replace")
                if path.startswith(self._source) and path.endswith(SUFFIXES):
                    self.opened.append(path)


def main() -> None:
    source, data, fault = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    seen = Seen(source)
    sys.addaudithook(seen)
    from api.compose import Footnote
    from api.evaluating import evaluate_with, small_suite
    from api.settings import Settings
    from index.errors import SkipFile
    from index.parse import FORMATS, parse
    from rag.answer import final
    from rag.types import Question

    for path in sorted(source.iterdir()):  # in this process too, where the hook is
        if path.suffix in FORMATS:
            try:
                parse(path.read_bytes(), path.suffix)
            except SkipFile as skipped:
                print(f"{path.name}: {skipped.reason}", file=sys.stderr)  # noqa: T201
    footnote = Footnote(Settings(source=source, data=data), in_child=False)
    report = footnote.rebuild(lambda *_: None)
    answer = final(footnote.ask(Question("When was the harbour opened?")))
    summary = evaluate_with(footnote, small_suite(footnote), None)
    footnote.close()
    if fault:
        exec(compile(fault, "fault", "exec"), {"source": source})
    seen.on = False
    found = {name: getattr(seen, name) for name in ("pickles", "marshalled", "compiled", "opened")}
    print(json.dumps({**found, "documents": report.documents, "answer": answer.text, "cases": summary.cases}))  # noqa: T201


if __name__ == "__main__":
    main()
