"""The environment of a user who has set nothing: what a library does there, it does on other people's machines."""

from __future__ import annotations

import os

from tests.faults.processes import ROOT

# Where programs are found, where files go, and in which language. All else may be read as a wish to be left in peace:
# CI and GITHUB_ACTIONS keep onnxruntime from reporting, HF_HUB_OFFLINE a hub's client from asking.
_NEEDED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


def bare_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT)}
