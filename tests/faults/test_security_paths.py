"""No text that a client sends becomes a path: the kernel's own list of the files that the server opens is looked at."""

from __future__ import annotations

import os
import random
import re
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from tests.conftest import World
from tests.faults.calls import no_strace
from tests.faults.campaign import Campaigns
from tests.faults.clients import sent
from tests.faults.configured_server import configured
from tests.faults.inputs import Input, inputs
from tests.faults.processes import ROOT, Process

CANARY = "canary-5c1e20"

_DOTS = ("..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "....",
         "..;", "%e2%80%a5", "..%00", "..%20", "%ef%bc%8e%ef%bc%8e")  # fmt: skip
_SLASHES = ("/", "%2f", "%5c", "\\", "%252f", "%c0%af", "//", "/./", "%e2%88%95", "%u2215", "%ef%bc%8f")
_DEPTHS = (1, 2, 3, 6, 12)


def forms(target: Path) -> list[str]:
    """Three hundred and more ways to write a path to ``target``, as they would stand in a request line."""
    absolute, name = target.as_posix(), target.name
    found = [f"{(dots + slash) * depth}{name}" for dots in _DOTS for slash in _SLASHES for depth in _DEPTHS[:2]]
    for n, dots in enumerate(_DOTS):
        slash, depth = _SLASHES[n % len(_SLASHES)], _DEPTHS[n % len(_DEPTHS)]
        found += [f"{(dots + slash) * depth}{absolute.lstrip('/')}", f"harbour.txt{slash}{(dots + slash) * 2}{name}"]
    escaped = quote(absolute, safe="")
    found += [absolute, f"//{absolute}", escaped, escaped.lower(), f"%2f{escaped}", f"file://{absolute}",
              f"file:{escaped}", f"file://localhost{absolute}", f"C:{absolute}", f"C:\\{name}", f"c|{absolute}",
              f"\\\\localhost\\share\\{name}", f"%5c%5clocalhost%5c{name}", f"//localhost/{name}", f"\\\\?\\{absolute}",
              f"~/{name}", f"~root/{name}", "~", f"$HOME/{name}", f"%24%7bHOME%7d/{name}", f"{absolute}%00.txt",
              f"{absolute}%00", f"{absolute}%0a", f"{absolute}.", f"{absolute}::$DATA", f"/proc/self/root{absolute}",
              "/proc/self/environ", "/proc/self/fd/0", "/dev/stdin", "/etc/passwd", "%2fetc%2fpasswd", "keys.json",
              "CURRENT", "..%2fCURRENT", "generations%2f000001%2fdocuments.db", "../MANIFEST.json", ".", "..", "%2e",
              "%00", "%ff%fe", f"{absolute}%ed%a0%80", f"url:{absolute}", f"zip://{absolute}!x",
              f"%252e%252e%252f{quote(escaped)}"]  # fmt: skip
    return list(dict.fromkeys(found))


def tried(server: Process, place: Input, text: str) -> tuple[int, str]:
    """Status, and headers with body, of a request with ``text`` in that place."""
    method, target, headers, body = place.request(text)
    target = re.sub(r"[\x00-\x20\x7f]", lambda found: quote(found.group()), target)  # or it would end the line
    return sent(server.address, method, target, headers, body)


# -- the oracle --------------------------------------------------------------------------------------------------------

_OPENED = re.compile(r'(?:open|openat|openat2|execve|readlink|readlinkat)\((?:AT_FDCWD, )?"((?:[^"\\]|\\.)*)"')


class Opened:
    """What the server has opened, or tried to, as strace(1) wrote it down."""

    def __init__(self, log: Path, allowed: tuple[Path, ...]) -> None:
        self._log = log
        self._seen = 0
        self._allowed = tuple(os.path.realpath(one) for one in allowed)
        self.count = 0

    def elsewhere(self) -> list[str]:
        """Paths since the last look that lie outside what it may read."""
        text = self._log.read_text("utf-8", "replace")
        fresh, self._seen = text[self._seen : text.rfind("\n") + 1], text.rfind("\n") + 1
        paths = [found[1].encode().decode("unicode_escape") for found in _OPENED.finditer(fresh)]
        self.count += len(paths)
        return [path for path in paths if not self._may(path)]

    def _may(self, path: str) -> bool:
        real = os.path.normpath(os.path.join(ROOT, path))
        return any(real == one or real.startswith(f"{one}/") for one in self._allowed)


def allowed(world: World) -> tuple[Path, ...]:
    """The two folders, the package, and what Python and its libraries are made of."""
    python = [Path(path) for path in (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values())]
    package = [ROOT / name for name in ("index", "rag", "eval", "api", "tests")]
    system = [Path(name) for name in ("/usr/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/sys", "/etc/localtime",
                                      "/usr/share/zoneinfo", "/dev/null", "/dev/urandom", "/proc/self/status",
                                      "/proc/meminfo", "/proc/cpuinfo", "/etc/mime.types")]  # fmt: skip
    return (world.source, world.data, *python, *package, *system)


@contextmanager
def watched(world: World, tmp_path: Path) -> Iterator[tuple[Process, Opened]]:
    if reason := no_strace():
        pytest.skip(reason)
    calls = tmp_path / "opened.log"
    before = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-s",
        "4096",
        "-o",
        str(calls),
        "-e",
        "trace=?open,openat,openat2,execve,?readlink,readlinkat",
    ]
    with configured(world.source, world.data, tmp_path / "server.log", before=before, planted=True) as server:
        opened = Opened(calls, allowed(world))
        opened.elsewhere()  # what starting took
        yield server, opened


def described(server: Process) -> list[Input]:
    return list(inputs(httpx2.get(f"{server.url}/openapi.json").json()))


# -- the campaign ------------------------------------------------------------------------------------------------------


def test_no_text_that_is_sent_becomes_a_path(campaign: Campaigns, world: World, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text(CANARY)
    every = forms(canary)
    assert len(every) >= 300
    random.Random(8).shuffle(every)
    requests = 0
    with (
        watched(world, tmp_path) as (server, opened),
        campaign("S8", "a way to write a path, in every text a client can send", push=6, release=len(every)) as trials,
    ):
        places = described(server)
        assert len({(place.method, place.path) for place in places}) > 12 and len(places) >= 40
        tried(server, places[0], "x")
        opened.elsewhere()  # what a first request loads
        for trial in trials:
            for place in places:
                status, told = tried(server, place, every[trial])
                assert status < 500, f"trial {trial}: {place}, {every[trial]!r}: {status}"
                assert CANARY not in told, f"trial {trial}: {place}, {every[trial]!r}"
                requests += 1
            found = opened.elsewhere()
            assert found == [], f"trial {trial}: {every[trial]!r} had the server open {found}"
        trials.note("texts", len(places))
        trials.note("requests", requests)
        trials.note("files opened", opened.count)
        # The null control: a route that opens what it is told, planted, of which the document says nothing.
        planted = Input("GET", "/planted/{name}", "path", "name")
        told_to = [f"../{canary.name}", f"..%2f{canary.name}", canary.as_posix(), f"..%2f..%2f{canary.name}"]
        seen = 0
        for text in told_to:
            tried(server, planted, text)
            seen += bool(opened.elsewhere())
        campaign.control("S8", "that ids are looked up, and no path is made of them", failed=seen, of=len(told_to))


@pytest.mark.parametrize(
    ("line", "outside"),
    [
        ('12 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3', True),
        ('12 openat(AT_FDCWD, "/nowhere", O_RDONLY) = -1 ENOENT (No such file or directory)', True),
        ('12 openat(AT_FDCWD, "{source}/../canary.txt", O_RDONLY) = 3', True),
        ('12 openat(AT_FDCWD, "{source}/harbour.txt", O_RDONLY) = 3', False),
        ('12 openat(AT_FDCWD, "pyproject.toml", O_RDONLY) = 3', True),
    ],
)
def test_the_oracle_reads_what_strace_writes(tmp_path: Path, line: str, outside: bool) -> None:
    log = tmp_path / "log"
    log.write_text(line.replace("{source}", str(tmp_path / "source")) + "\n")
    assert bool(Opened(log, (tmp_path / "source",)).elsewhere()) == outside
