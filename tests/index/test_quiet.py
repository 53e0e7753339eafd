"""What Footnote imports does not call home. tests/faults/test_calls.py watches the wire; this, what is left on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.environment import bare_environment
from tests.faults.processes import ROOT


def left_behind(home: Path, code: str) -> list[str]:
    """The files below a user's home after some Python."""
    home.mkdir()
    environment = {**bare_environment(), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=home, check=True)
    return sorted(path.name for path in home.rglob("*") if path.is_file())


def test_onnxruntime_keeps_no_record_of_its_use(tmp_path: Path) -> None:
    load = "import onnxruntime, time; time.sleep(0.5)"
    assert left_behind(tmp_path / "quiet", f"import index; {load}") == []
    assert left_behind(tmp_path / "quiet-too", f"from api import compose; {load}") == []


def test_no_setting_of_the_environment_turns_it_on(tmp_path: Path) -> None:
    code = (
        "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '0'; import index; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"


def test_left_to_itself_it_would(tmp_path: Path) -> None:
    """The null control; when this fails, onnxruntime has changed its ways, and index/quiet.py may not reach them."""
    assert left_behind(tmp_path / "loud", "import onnxruntime, time; time.sleep(0.5)") != []
