"""The bill of materials names all that Footnote runs with, and is the same whenever it is made."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tools.lockfile import ROOT, read
from tools.sbom import bom


def test_it_names_every_distribution_that_is_locked_with_its_hashes() -> None:
    listed = {part["bom-ref"]: part for part in bom()["components"] if part["type"] == "library"}
    locked = read("runtime", "torch")
    assert set(listed) == {f"pkg:pypi/{line.name}@{line.version}" for line in locked}
    for line in locked:
        hashes = {entry["content"] for entry in listed[f"pkg:pypi/{line.name}@{line.version}"]["hashes"]}
        assert hashes == {*line.hashes, *(read("torch-cpu")[0].hashes if line.name == "torch" else ())}


def test_it_names_the_reader_by_the_hash_that_the_reader_is_checked_against() -> None:
    (reader,) = (part for part in bom()["components"] if part["type"] == "machine-learning-model")
    card = json.loads((ROOT / "rag/data/reader.json").read_text("utf-8"))
    assert reader["hashes"] == [{"alg": "SHA-256", "content": card["sha256"]}]


def test_it_is_the_same_each_time() -> None:
    made = subprocess.run([sys.executable, "-m", "tools.sbom"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(made.stdout) == bom()
    assert str(ROOT) not in made.stdout


def test_it_is_what_the_schema_of_cyclonedx_allows() -> None:
    validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx-python-lib is not installed")
    schema = pytest.importorskip("cyclonedx.schema")
    check = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert check.validate_str(json.dumps(bom())) is None
    assert check.validate_str(json.dumps({**bom(), "components": [{"type": "ship"}]})) is not None
