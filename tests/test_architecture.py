"""What the layout of the code promises, held to it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("index", "rag", "eval", "api")
MAX_LINES = 400

# The one door to each heavy library. index/export makes what index/encode runs.
DOORS = {
    "faiss": {"index/vectors.py", "index/codes.py", "index/vector_writer.py"},
    "tantivy": {"index/lexical.py"},
    "tiktoken": {"index/tokens.py"},
    "onnxruntime": {"index/network.py", "index/export.py"},
    "sentence_transformers": {"index/encode.py", "index/export.py", "rag/cross_encoder.py"},
    "torch": {"index/export.py"},
    "mcp": {"api/mcp_server.py", "api/app.py"},  # the application names a type, and loads no more
}


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def of_the_product(path: Path) -> bool:
    """Scripts of other systems are run in environments of their own, and imported by nothing."""
    return not relative(path).startswith("eval/benchmarks/peers/")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- layers ------------------------------------------------------------------------------------------------------------

LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True, check=False)


def test_no_package_imports_one_to_its_right() -> None:
    run = lint(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 kept, 0 broken" in run.stdout


def test_the_contract_would_notice(tmp_path: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    assert settings["contracts"][0]["layers"] == ["api", "eval", "rag", "index"]
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "index" / "search.py").write_text("def search() -> None:\n    from rag import answer\n")
    (tmp_path / "rag" / "answer.py").touch()
    layers = "[importlinter]\nroot_packages =\n    index\n    rag\n    eval\n    api\n[importlinter:contract:1]\n"
    (tmp_path / ".importlinter").write_text(
        f"{layers}name = one way\ntype = layers\nlayers =\n    api\n    eval\n    rag\n    index\n"
    )
    run = lint(tmp_path)
    assert run.returncode == 1
    assert "index.search -> rag.answer" in run.stdout


def test_the_top_level_folders_are_the_ones_agreed() -> None:
    for name in ("seeds", "index", "rag", "eval", "api", "tests", "docs"):
        assert (ROOT / name).is_dir(), name
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    found = {relative(path.parent).replace("/", ".") for path in modules() if path.name == "__init__.py"}
    assert found == set(packages)  # listed one by one: a package that is not is not installed


# -- doors -------------------------------------------------------------------------------------------------------------


def imported(path: Path) -> set[str]:
    """Top-level names that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("library", DOORS)
def test_a_heavy_library_has_one_door(library: str) -> None:
    users = {relative(path) for path in modules() if library in imported(path) and of_the_product(path)}
    assert users, f"nothing imports {library}: is the list of doors out of date?"
    assert users <= DOORS[library]


def test_only_the_outermost_package_knows_of_http_and_the_terminal() -> None:
    outer = {"fastapi", "starlette", "uvicorn", "typer", "rich", "prometheus_client", "watchfiles", "mcp"}
    for path in modules():
        if not relative(path).startswith("api/"):
            assert not imported(path) & outer, relative(path)


# -- style -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", list(modules()), ids=relative)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES


def test_whoever_catches_everything_says_why() -> None:
    catch_all = re.compile(r"^\s*except\s*(?:(?:\(|.*[( ,])?(?:Base)?Exception\b.*)?:")
    for path in modules():
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            reason = line.partition("#")[2].replace("noqa: BLE001", "").strip(" -")
            if catch_all.match(line) and len(reason.split()) < 3:
                following = "\n".join(lines[number : number + 6])
                reraised = re.search(r"^\s+raise$", following, re.MULTILINE)  # only tidies up on the way
                assert reraised, f"{relative(path)}, line {number}: {line.strip()}"


def test_every_module_says_what_it_is_for() -> None:
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))) or not path.read_text("utf-8").strip(), relative(
            path
        )


# -- what goes out with the code ---------------------------------------------------------------------------------------

NOT_OURS = {".git", ".venv", "__pycache__", "build", "node_modules", "swagger-ui"}
ELSEWHERE = re.compile(
    r"/root/|/home/[a-z]|/Users/[A-Za-z]|/tmp/venv|index-url|[\w.-]*(?:pypi|pythonhosted|artifactory|npmjs)[\w-]*\.(?:org|com|io)"
)


def texts() -> Iterator[tuple[str, str]]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if (
            NOT_OURS & set(parts)
            or parts[0] in {"data", "runs"}
            or any(part.endswith((".egg-info", "_cache")) for part in parts)
        ):
            continue
        if path.is_file() and parts[0] not in {".hypothesis", ".coverage"}:
            try:
                yield relative(path), path.read_text("utf-8")
            except UnicodeDecodeError:
                continue  # a picture, a document or a compressed file


def test_no_text_names_somebody_s_machine_or_registry() -> None:
    for name, text in texts():
        if name != relative(Path(__file__)):
            found = ELSEWHERE.search(text)
            assert found is None, f"{name} says {found.group()!r}"
