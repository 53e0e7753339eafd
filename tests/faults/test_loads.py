"""Nothing that lies in a folder is loaded as code or as objects, as Python itself tells: an audit hook is watched."""

from __future__ import annotations

import json
import marshal
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from index.types import Encoder
from tests.conftest import write_documents
from tests.faults.campaign import Campaigns
from tests.faults.loads import MARK

ROOT = Path(__file__).resolve().parents[2]


class Planted:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "was here")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three documents, and everything that some library would load if it were let."""
    folder = write_documents(tmp_path / "documents")
    planted = pickle.dumps(Planted(tmp_path / "taken-over"))
    code = f"{MARK} = open({str(tmp_path / 'taken-over')!r}, 'w')\n"
    for name in ("model.pkl", "model.joblib", "vectors.faiss", "weights.bin", "notes.txt", "table.csv", "letter.eml"):
        (folder / name).write_bytes(planted)
    with zipfile.ZipFile(folder / "weights.pt", "w") as archive:
        archive.writestr("weights/data.pkl", planted)
    (folder / "array.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + (70).to_bytes(2, "little") + b"{'descr': '|O', " + planted
    )
    (folder / "code.pyc").write_bytes(bytes(16) + marshal.dumps(compile(code, "x", "exec")))
    (folder / "setup.py").write_text(code)
    (folder / "index.py").write_text(code)
    (folder / "front.md").write_text(f"---\n{MARK}: !!python/object/apply:os.system ['true']\n---\n# {MARK}\n\n{code}")
    (folder / "page.html").write_text(f"<p>{code}</p><script>{code}</script>{{{{ {MARK} }}}}")
    (folder / "formulas.tsv").write_text(f"=cmd()\t{code}\n")
    return folder


def watched(source: Path, data: Path, encoders: Path, fault: str = "") -> dict[str, Any]:
    data.mkdir()
    (data / "encoders").symlink_to(encoders)
    command = [sys.executable, "-P", "-m", "tests.faults.loads", str(source), str(data), fault]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.model
def test_nothing_in_a_folder_is_loaded_or_run(
    campaign: Campaigns, source: Path, tmp_path: Path, encoders: Path, real_encoder: Encoder
) -> None:
    with campaign(
        "S14", "a folder of pickles, models and code is indexed, asked, evaluated", push=1, release=1
    ) as trials:
        for trial in trials:
            found = watched(source, tmp_path / f"data-{trial}", encoders)
            assert {name: found[name] for name in ("pickles", "marshalled", "compiled", "opened")} == {
                "pickles": [], "marshalled": [], "compiled": [], "opened": []
            }  # fmt: skip
            assert found["documents"] >= 6 and "1911" in found["answer"] and found["cases"]
            assert not (tmp_path / "taken-over").exists()


# What would be seen if a module loaded what it should not.
_FAULTS = {
    "pickles": "import pickle\npickle.loads((source / 'model.pkl').read_bytes())",
    "marshalled": "import marshal\nmarshal.loads((source / 'code.pyc').read_bytes()[16:])",
    "compiled": "compile((source / 'setup.py').read_text(), 'x', 'exec')",
    "opened": "open(str(source / 'weights.pt'), 'rb').close()",
}


@pytest.mark.model
def test_whatever_loads_something_is_seen(
    campaign: Campaigns, source: Path, tmp_path: Path, encoders: Path, real_encoder: Encoder
) -> None:
    found = watched(source, tmp_path / "data", encoders, "\n".join(_FAULTS.values()))
    failed = sum(bool(found[kind]) for kind in _FAULTS)
    campaign.control(
        "S14", "a module that unpickles, unmarshals, compiles or opens what it should not", failed=failed, of=4
    )
    assert failed == len(_FAULTS)
    assert (tmp_path / "taken-over").read_text() == "was here"  # what is planted works
