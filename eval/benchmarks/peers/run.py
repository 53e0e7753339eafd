"""Times one system: ``python -P run.py SCRIPT`` reads a job from stdin and writes one JSON object to stdout.

Needs nothing but the standard library, because it is run by environments that have no Footnote in them. What a library
prints goes to stderr. Loading it and its model is timed apart from indexing."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def main() -> None:
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # from here on, stdout is what is printed by the way
    job = json.load(sys.stdin)
    answer.write(json.dumps(measure(Path(sys.argv[1]), job)) + "\n")
    answer.close()


def measure(script: Path, job: dict[str, Any]) -> dict[str, Any]:
    """``job``: ``model`` and ``folder`` (of .txt files, all of them indexed), ``work`` (a folder to write to),
    ``questions``, ``timed`` (how many of them are timed) and ``k`` (how much is retrieved then), ``evidence_k`` and
    ``budget`` (characters kept of what is retrieved for every question; 0 leaves that out)."""
    began = time.perf_counter()
    system = load(script).System(job)
    load_s = time.perf_counter() - began
    documents = [(path.name, path.read_text("utf-8")) for path in sorted(Path(job["folder"]).glob("*.txt"))]
    began = time.perf_counter()
    parts = system.index(documents)
    index_s = time.perf_counter() - began
    indexed_peak = peak_rss()
    timed = job["questions"][: job["timed"]]
    for question in timed[:10]:
        system.retrieve(question, job["k"])
    query_s: list[float] = []
    for question in timed:
        began = time.perf_counter()
        system.retrieve(question, job["k"])
        query_s.append(time.perf_counter() - began)
    retrieved = [
        cut(system.retrieve(question, job["evidence_k"]), job["budget"]) if job["budget"] else []
        for question in job["questions"]
    ]
    return {
        "versions": versions(system.packages),
        "load_s": load_s,
        "index_s": index_s,
        "characters": sum(len(text) for _, text in documents),
        "parts": parts,
        "query_s": query_s,
        "retrieved": retrieved,
        "index_peak_rss": indexed_peak,
        "peak_rss": peak_rss(),
    }


def load(script: Path) -> Any:
    """The module in a file, whatever it is called: its name may be that of the library it imports."""
    spec = importlib.util.spec_from_file_location(f"measured_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def cut(retrieved: list[tuple[str, str]], budget: int) -> list[tuple[str, str]]:
    """The first ``budget`` characters of (source, text), best first."""
    kept: list[tuple[str, str]] = []
    for source, text in retrieved:
        if budget <= 0:
            break
        kept.append((source, text[:budget]))
        budget -= len(text)
    return kept


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def peak_rss() -> int:
    """Bytes of memory that this process has had resident at most."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
