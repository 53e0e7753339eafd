"""Any bytes at all: a parser reads them or skips them with a reason; what was read is cut into passages that tile it.

Random changes to good files are tried on every push. Where atheris is installed (make fault does), it follows the
branches that an input takes and looks for inputs that take others."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import random
import re
import subprocess
import sys
import traceback
from functools import partial
from pathlib import Path

import pytest

from index.parse import FORMATS, Limits
from index.passages import build_passages
from index.types import Parsed, PassageSpan, SentenceSpan
from tests.faults.campaign import Campaigns
from tests.faults.fuzz.mutate import mutated
from tests.faults.fuzz.targets import Target, TokenSpans, cuts, make_targets, reads, tokens

ROOT = Path(__file__).resolve().parents[2]
TARGETS = make_targets()
TEXTS = TARGETS[-1]
_INPUT_S = 60  # one input of a few kilobytes that takes longer hangs
_FUZZER_RUNS = 2_000  # where no time was given


def shown(data: bytes) -> str:
    """The input, so that it can be tried again."""
    return f"base64 {base64.b64encode(data[:20_000]).decode()}"


def attempt(target: Target, data: bytes) -> tuple[bool, str]:
    """Whether the bytes were read, and what did not hold; "" when all does."""
    try:
        return target.run(data), ""
    except Exception:  # noqa: BLE001 - whatever it is, it is what was looked for
        return False, traceback.format_exc(limit=-4)


def inputs(target: Target, trial: int) -> bytes:
    return mutated(target.seeds, random.Random(f"{target.name} {trial}"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_seeds_themselves_hold(target: Target) -> None:
    for seed in target.seeds:
        assert attempt(target, seed) == (True, "")


@pytest.mark.filterwarnings("ignore")  # libraries warn of what is wrong with a file; make it no error here
def test_files_changed_at_random_are_read_or_skipped_with_a_reason(campaign: Campaigns) -> None:
    what = "a file of each format, changed at random, is parsed"
    read = 0
    with campaign("F1", what, push=1_000, release=2_000_000) as trials:
        for trial in trials:
            target = TARGETS[trial % (len(TARGETS) - 1)]
            data = inputs(target, trial)
            whole, fault = attempt(target, data)
            read += whole
            assert not fault, f"trial {trial}, {target.name}, {shown(data)}\n{fault}"
        trials.note("read all the same", read)
    assert read, "no change left a file that can be read"


@pytest.mark.filterwarnings("ignore")
def test_texts_changed_at_random_are_tiled_by_passages(campaign: Campaigns) -> None:
    what = "a text changed at random is cut into sentences and passages"
    with campaign("F2", what, push=300, release=500_000) as trials:
        for trial in trials:
            data = inputs(TEXTS, trial)
            _, fault = attempt(TEXTS, data)
            assert not fault, f"trial {trial}, {shown(data)}\n{fault}"


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed: make fault does")
def test_inputs_that_a_fuzzer_finds_are_read_or_skipped_with_a_reason(campaign: Campaigns, tmp_path: Path) -> None:
    what = "a fuzzer that follows branches looks for a file that breaks a parser"
    with campaign("F3", what, push=_FUZZER_RUNS, release=100_000_000) as trials:
        trials.done += fuzzed(tmp_path, trials.plan.share_s)
        trials.note("targets", len(TARGETS))


def fuzzed(folder: Path, seconds: float | None) -> int:
    """How many inputs were tried; fails at the first that breaks a target, with the input and where it broke."""
    corpus, found = folder / "corpus", folder / "found"
    corpus.mkdir()
    found.mkdir()
    command = [
        sys.executable, "-m", "tests.faults.fuzz.run", str(corpus), f"-artifact_prefix={found}/", "-seed=1",
        "-rss_limit_mb=4096", f"-timeout={_INPUT_S}", "-max_len=65536", "-print_final_stats=1",
        f"-runs={_FUZZER_RUNS}" if seconds is None else f"-max_total_time={max(int(seconds), 1)}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    crashes = [
        f"{path.name}: {TARGETS[data[0] % len(TARGETS)].name}, {shown(data[1:])}"
        for path in found.iterdir()
        if (data := path.read_bytes())
    ]
    told = done.stdout + done.stderr
    assert done.returncode == 0 and not crashes, "\n".join([*crashes, told[-4000:]])
    tried = re.search(r"number_of_executed_units:\s*(\d+)", told)
    assert tried is not None, told[-2000:]
    return int(tried[1])


# -- null controls -----------------------------------------------------------------------------------------------------


def _unguarded(data: bytes, suffix: str, limits: Limits) -> Parsed:
    """parse() without what turns a library's errors into reasons."""
    row = FORMATS[suffix]
    parsed: Parsed = getattr(importlib.import_module(f"index.parse.{row.module}"), row.function)(data, limits)
    return parsed


@pytest.mark.filterwarnings("ignore")
def test_a_parser_that_lets_its_library_s_errors_through_is_found(campaign: Campaigns) -> None:
    bare = [
        Target(target.name, target.seeds, partial(reads, f".{target.name}", read=_unguarded))
        for target in TARGETS
        if f".{target.name}" in FORMATS
    ]
    failed = sum(bool(attempt(target, inputs(target, trial))[1]) for target in bare for trial in range(8))
    campaign.control("F1", "errors of a library become reasons", failed=failed, of=8 * len(bare))


def _every_forty(parsed: Parsed, token_spans: TokenSpans, window: int) -> list[PassageSpan]:
    """Passages as most do it: so many characters each, whatever stands there."""
    made = []
    for passage in build_passages(parsed, token_spans, window):
        for start in range(passage.start, passage.end, 40):
            end = min(start + 40, passage.end)
            inside = (SentenceSpan(start, end, "prose"),)
            made.append(PassageSpan(start, end, len(token_spans(parsed.text[start:end])), passage.place, inside))
    return made


def test_passages_that_are_cut_anywhere_are_found(campaign: Campaigns) -> None:
    naive = Target("naive", TEXTS.seeds, lambda data: cuts(data, _every_forty))
    failed = sum(bool(attempt(naive, inputs(naive, trial))[1]) for trial in range(20))
    campaign.control("F2", "whole, trimmed sentences in a passage", failed=failed, of=20)
    assert tokens("a b") == [(0, 1), (2, 3)]
