"""A release can be made again by anyone, byte for byte, and leaves nothing that runs by itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tools.lockfile import ROOT

PACKAGES = ("index", "rag", "eval", "api")
EPOCH = "1767225600"


def build(tree: Path) -> Path:
    """A wheel of the sources, copied to ``tree`` first, as another person would have them."""
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, tree / name)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tree / package,
            copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__"),
        )  # fmt: skip
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "PYTHONHASHSEED": "random"}
    subprocess.run([*command, str(tree / "made"), str(tree)], env=environment, umask=0o022, check=True, cwd=tree)
    (wheel,) = (tree / "made").glob("*.whl")
    return wheel


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first") / "here")


def test_a_wheel_built_twice_is_equal(wheel: Path, tmp_path: Path) -> None:
    assert digest(wheel) == digest(build(tmp_path / "somewhere-else"))


def test_a_wheel_s_dates_are_those_of_the_release(wheel: Path) -> None:
    """Not those of the copies that were made of the sources a moment ago."""
    at = datetime.fromtimestamp(int(EPOCH), UTC)
    assert {entry.date_time[:3] for entry in zipfile.ZipFile(wheel).infolist()} == {(at.year, at.month, at.day)}


def test_a_wheel_holds_the_packages_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {*PACKAGES, wheel.name.split("-py3")[0] + ".dist-info"}
    assert not [name for name in names if name.endswith((".pth", ".pyc", ".so", ".pkl"))]
    assert {"rag/data/reader.onnx", "index/data/o200k_base.tiktoken.xz", "api/web/index.html"} <= set(names)


def test_nothing_starts_with_python_that_was_not_known() -> None:
    """A .pth file runs whenever Python starts, so each is listed here with whose it is."""
    if sys.prefix == sys.base_prefix:
        pytest.skip("not a virtual environment: what starts here is the system's affair")
    known = {
        "a1_coverage.pth": "coverage, for processes that tests start",
        "distutils-precedence.pth": "setuptools",
        "_virtualenv.pth": "virtualenv, where it made the environment; uv's too",
    }
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    found = {path.name for path in Path(sysconfig.get_paths()["purelib"]).glob("*.pth")}
    assert found - set(known) <= {f"__editable__.footnote-{version}.pth"}
