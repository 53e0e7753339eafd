"""What is installed is what was locked: one version each, whose wheels are known by their hashes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

from tools.lockfile import LOCK, ROOT, Locked, canonical, parse, read

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
DIGEST = "0" * 64


def versions(*names: str) -> dict[str, str]:
    return {line.name: line.version for line in read(*names)}


def declared(extra: str | None) -> Iterator[Requirement]:
    """What pyproject.toml asks for, with the extras that an extra names."""
    for stated in EXTRAS[extra] if extra else PROJECT["project"]["dependencies"]:
        wanted = Requirement(stated)
        if wanted.name == PROJECT["project"]["name"]:
            for other in wanted.extras:
                yield from declared(other)
        else:
            yield wanted


def test_a_lock_file_is_read_as_it_was_written() -> None:
    locked = Locked("typing-extensions", "4.16.0", "python_version < '3.14'", ("a" * 64, "b" * 64), "[all]")
    assert parse(f"# a comment\n{locked}") == [locked]
    exactly = Locked("torch", "2.13.0", "", ("a" * 64,), exact=True)
    assert parse(str(exactly)) == [exactly]
    assert str(exactly).startswith("torch===2.13.0 ")
    assert parse(f"Typing_Extensions==4.16.0 --hash=sha256:{DIGEST}\n")[0].name == "typing-extensions"


@pytest.mark.parametrize(
    "line",
    [
        "torch==2.13.0",
        f"torch====2.13.0 --hash=sha256:{DIGEST}",
        f"torch==2.13.0,==2.13.0+cpu --hash=sha256:{DIGEST}",
        f"torch>=2.13 --hash=sha256:{DIGEST}",
        f"torch --hash=sha256:{DIGEST}",
        f"torch==2.13.0 --hash=sha256:{DIGEST[1:]}",
        f"torch==2.13.0 --hash=md5:{DIGEST[:32]}",
        f"torch==2.13.0 --hash=sha256:{DIGEST} --hash=md5:{DIGEST[:32]}",
        f"torch @ https://example.org/torch.whl --hash=sha256:{DIGEST}",
        "--index" + "-url https://example.org/simple",
        "-e .",
    ],
)
def test_a_line_that_could_install_something_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not: "):
        parse(line)


def test_there_is_a_file_for_what_runs_and_for_each_extra() -> None:
    assert {path.stem for path in LOCK.glob("*.txt")} == {"runtime", "torch", "torch-cpu", *EXTRAS}
    assert all(line.hashes for line in read())


def test_a_distribution_has_one_version_in_all_files() -> None:
    seen: dict[str, str] = {}
    for line in read():
        public = Version(line.version).public  # torch's build without CUDA says so after a plus
        assert seen.setdefault(line.name, public) == public, line.name


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_every_dependency_is_locked_at_a_version_that_satisfies_it(extra: str | None) -> None:
    locked = versions("runtime", "torch", *([extra] if extra else []))
    for wanted in declared(extra):
        assert wanted.specifier.contains(locked[canonical(wanted.name)], prereleases=True), str(wanted)


def test_what_builds_footnote_is_locked_too() -> None:
    for stated in PROJECT["build-system"]["requires"]:
        wanted = Requirement(stated)
        assert wanted.specifier.contains(versions("runtime")[canonical(wanted.name)])


def test_the_versions_are_those_of_constraints_txt() -> None:
    """The way to install without hashes gives the same versions; neither file has what the other forgot."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {canonical(name): version for name, _, version in (line.partition("==") for line in lines if "==" in line)}
    locked = versions("runtime", "torch", *EXTRAS)
    assert {name: locked.get(name) for name in pinned} == pinned
    # What other systems need besides, and a torch with CUDA, was not frozen here.
    elsewhere = {line.name for line in read() if line.marker}
    assert set(locked) - set(pinned) <= elsewhere


def torch_here() -> str:
    """The file that has the torch that is installed, and what that one wants besides."""
    return "torch-cpu" if importlib.metadata.version("torch").endswith("+cpu") else "torch"


@pytest.mark.parametrize("more", [(), ("dev",)])
def test_nothing_that_is_needed_here_is_missing(more: tuple[str, ...]) -> None:
    """Every requirement of every distribution that is reached, as the installed ones state them."""
    parts = ("runtime", torch_here(), *more)
    locked = versions(*parts)
    waiting = [*declared(None), *(declared("dev") if "dev" in parts else ())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        name, extras = canonical(wanted.name), frozenset(wanted.extras)
        if (name, extras) in seen or not _applies(wanted.marker, frozenset({""})):
            continue
        seen.add((name, extras))
        assert name in locked, f"{wanted} is not in {parts}"
        assert wanted.specifier.contains(locked[name], prereleases=True), f"{wanted}, locked is {locked[name]}"
        for stated in importlib.metadata.requires(name) or ():
            needed = Requirement(stated)
            if _applies(needed.marker, extras | {""}):
                waiting.append(Requirement(stated.split(";")[0]))
    assert len(seen) > 50


def _applies(marker: Marker | None, extras: frozenset[str]) -> bool:
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def test_what_is_installed_is_what_is_locked() -> None:
    """So that the tests speak of the versions that people get."""
    for name, version in versions("runtime", "torch", "dev").items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # wanted on other systems
        if name != "setuptools":  # whoever builds without isolation may have another
            assert Version(installed).public == version, name


# -- how it is installed -----------------------------------------------------------------------------------------------


def would_run(*arguments: str) -> str:
    command = ["make", "-n", "-W", "pyproject.toml", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=outside_make(), capture_output=True, text=True, check=True).stdout


def outside_make(**more: str) -> dict[str, str]:
    """The environment without what a make that runs these tests hands down: its LOCK= is not this one's."""
    handed_down = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "LOCK")
    return {name: value for name, value in os.environ.items() if name not in handed_down} | more


def test_make_installs_wheels_that_the_lock_knows_and_nothing_else() -> None:
    for target, files in (("serve", "-r lock/runtime.txt -r $"), ("test", "-r lock/runtime.txt -r lock/dev.txt -r $")):
        commands = [line for line in would_run(target).splitlines() if " install " in line]
        (command,) = (line for line in commands if "lock/fuzz.txt" not in line)
        assert f"install --require-hashes --only-binary :all: --no-deps {files}" in command
        assert "lock/torch-cpu.txt" in command
        assert " install --no-deps --no-build-isolation -e . || { echo" in command
        assert f"Try: make {target} LOCK='; exit 1;" in command


def test_without_a_lock_make_goes_by_the_constraints() -> None:
    told = would_run("serve", "LOCK=")
    assert "install -c constraints.txt -e '.'" in told
    assert "--require-hashes" not in told


def install(lock: Path, wheels: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "pip", "install", "-q", "--require-hashes", "--only-binary", ":all:", "--no-index",
        "--find-links", str(wheels), "--target", str(target), "-r", str(lock),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False)


def make_wheel(folder: Path, name: str, version: str, text: str = "OPENED = 1911\n") -> Path:
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", text)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return wheel


def digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_a_wheel_that_was_exchanged_is_not_installed(tmp_path: Path) -> None:
    """The null control: with the hash of the honest wheel it is installed, with another one's it is not."""
    wheel = make_wheel(tmp_path, "harbour", "1.0")
    lock = tmp_path / "lock.txt"
    lock.write_text(str(Locked("harbour", "1.0", "", (DIGEST, digest(wheel)))))
    done = install(lock, tmp_path, tmp_path / "good")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "good" / "harbour.py").exists()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("extra.pth", "import os\n")
    done = install(lock, tmp_path, tmp_path / "bad")
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "bad").exists()


# -- which torch -------------------------------------------------------------------------------------------------------

# What make serve does, but into a folder, and of no more than torch.
PROBE = "include {makefile}\ninto-a-folder:\n\t$(LOCKED) --target got -r $(TORCH)\n"
PLAIN, CPU = "WITH = 'CUDA'\n", "WITH = 'nothing'\n"


class Index:
    """Wheels in a folder, which says no hashes, and what a checkout's lock/ knows of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "lock").mkdir()
        (folder / "probe.mk").write_text(PROBE.format(makefile=ROOT / "Makefile"))
        self.plain = make_wheel(folder / "wheels", "torch", "2.13.0", PLAIN)
        self.cpu = make_wheel(folder / "wheels", "torch", "2.13.0+cpu", CPU)

    def lock(self, plain: str, cpu: str, *, exact: bool = True) -> None:
        (self.folder / "lock" / "torch.txt").write_text(str(Locked("torch", "2.13.0", "", (plain,), exact=exact)))
        (self.folder / "lock" / "torch-cpu.txt").write_text(str(Locked("torch", "2.13.0+cpu", "", (cpu,))))

    def install(self) -> tuple[str, str]:
        """The text of the torch that make installs, or "", and what it says."""
        bin_ = Path(sys.executable).parent
        environment = outside_make(
            PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.folder / "wheels"), PIP_CONFIG_FILE=os.devnull
        )
        command = ["make", "-f", "probe.mk", "into-a-folder", f"BIN={bin_}"]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        got = self.folder / "got" / "torch.py"
        return got.read_text() if got.exists() else "", done.stderr


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


def test_torch_without_cuda_is_taken_where_the_lock_knows_it(index: Index) -> None:
    index.lock(digest(index.plain), digest(index.cpu))
    assert index.install()[0] == CPU


def test_torch_as_an_index_has_it_is_taken_where_the_one_without_cuda_is_of_another_python(index: Index) -> None:
    """The other build is newer in pip's order, and must not be what is held against the hashes."""
    index.lock(digest(index.plain), DIGEST)
    assert index.install()[0] == PLAIN


def test_a_torch_that_is_not_named_exactly_would_be_the_other_build(index: Index) -> None:
    """The null control of the story above: what === in lock/torch.txt is for."""
    index.lock(digest(index.plain), DIGEST, exact=False)
    got, told = index.install()
    assert got == "" and "THESE PACKAGES DO NOT MATCH THE HASHES" in told
    assert [line.exact for line in read("torch") if line.name == "torch"] == [True]


def test_no_torch_is_taken_where_the_lock_knows_none_of_those_there(index: Index) -> None:
    index.lock(DIGEST, DIGEST)
    assert index.install()[0] == ""
