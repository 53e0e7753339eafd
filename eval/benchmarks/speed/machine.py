"""The machine that a benchmark ran on, as far as its speed depends on it and no further: nothing names it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

# What products of small numbers run on, in /proc/cpuinfo's words: x86's, then ARM's.
_FLAGS = (
    "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "sve",
)  # fmt: skip
_LIBRARIES = ("numpy", "onnxruntime", "faiss-cpu", "tantivy", "tokenizers")


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int  # that this process may use
    cpu: str
    flags: tuple[str, ...]
    memory_mb: int
    load_before: float  # processes that were running or waiting over the last minute; well below 1 on a quiet machine
    python: str
    libraries: dict[str, str]


def describe_machine(proc: Path = Path("/proc")) -> Machine:
    lines = (proc / "cpuinfo").read_text("utf-8", "replace").splitlines()
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    present = set((known.get("flags") or known.get("Features") or "").split())
    memory = next(line for line in (proc / "meminfo").read_text("utf-8").splitlines() if line.startswith("MemTotal"))
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=known.get("model name") or platform.machine(),
        flags=tuple(flag for flag in _FLAGS if flag in present),
        memory_mb=int(memory.split()[1]) // 1024,
        load_before=load_average(proc),
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
    )


def load_average(proc: Path = Path("/proc")) -> float:
    """Processes that were running or waiting for a core, the mean over about a minute."""
    return float((proc / "loadavg").read_text("utf-8").split()[0])
