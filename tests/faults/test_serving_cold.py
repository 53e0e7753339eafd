"""A server starts and answers where there is no network, and tries to reach none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.calls import needs_strace, reached
from tests.faults.campaign import Campaigns
from tests.faults.clients import quantile
from tests.faults.processes import ROOT
from tests.faults.servers import Town, make_town

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare"),
    needs_strace,
]


def started(town: Town, where: Path, command: list[str]) -> tuple[dict[str, Any], list[str]]:
    """What became of a server that ``command`` starts, and its calls to other machines."""
    trace = where / "trace"
    cold = [sys.executable, "-m", "tests.faults.cold_start", str(trace), *command]
    ran = subprocess.run(
        ["unshare", "-n", *cold], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
        env={name: value for name, value in os.environ.items() if not name.startswith("HF_")},
    )  # fmt: skip
    if "unshare failed" in ran.stderr:
        pytest.skip("this machine lets nobody have a network of their own")
    assert ran.returncode == 0, ran.stderr
    said: dict[str, Any] = json.loads(ran.stdout)
    return said, list(reached(trace))


def with_fakes(town: Town, **told: Any) -> list[str]:
    asked = json.dumps({"source": str(town.source), "data": str(town.data), **told})
    return [sys.executable, "-m", "tests.faults.loaded_server", asked]


def test_it_starts_without_a_network_and_reaches_for_none(campaign: Campaigns, tmp_path: Path) -> None:
    with campaign("L10", "cold start with no network but loopback, fake models", push=1, release=20) as trials:
        town = make_town(tmp_path, 50)
        took = []
        for trial in trials:
            said, out = started(town, tmp_path, with_fakes(town))
            assert (said["ready"], said["answered"]) == (200, 200), f"trial {trial}: {said}"
            assert out == [], f"trial {trial}: {out[:3]}"
            took.append(said["seconds"])
        trials.note("answered after, s, p50 and most", f"{quantile(took, 0.5):.1f} and {max(took):.1f}")


def test_a_server_that_calls_home_is_seen_to(campaign: Campaigns, tmp_path: Path) -> None:
    town = make_town(tmp_path, 20)
    _, out = started(town, tmp_path, with_fakes(town, variant="calling home"))
    campaign.control("L10", "another machine is asked whether there is something new", failed=len(out), of=1)


@pytest.mark.model
def test_the_models_that_ship_reach_for_no_network_either(
    campaign: Campaigns, tmp_path: Path, encoders: Path, folder: Path, request: pytest.FixtureRequest
) -> None:
    if campaign.plan.share_s is None:
        pytest.skip("for releases; on a push footnote doctor --offline runs these models with sockets blocked")
    request.getfixturevalue("real_encoder")  # exports it, which takes most of a minute
    data = tmp_path / "data"
    data.mkdir()
    (data / "encoders").symlink_to(encoders)
    places = ("--source", str(folder), "--data", str(data))
    with campaign("L10", "cold start with no network, the models that ship", push=1, release=10) as trials:
        town = Town(folder, data)
        took = []
        index = [sys.executable, "-m", "api.cli", "index", *places]
        assert subprocess.run(index, cwd=ROOT, capture_output=True, check=False).returncode == 0
        for trial in trials:
            command = [sys.executable, "-m", "api.cli", "serve", *places, "--port", "0", "--no-update"]
            said, out = started(town, tmp_path, command)
            assert (said["ready"], said["answered"]) == (200, 200), f"trial {trial}: {said}"
            assert out == [], f"trial {trial}: {out[:3]}"
            took.append(said["seconds"])
        trials.note("answered after, s, p50 and most", f"{quantile(took, 0.5):.1f} and {max(took):.1f}")
