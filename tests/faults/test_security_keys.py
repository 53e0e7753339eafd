"""How long a key is looked at tells nothing about it: neither how much of it is right, nor which of the keys it is.

One measurement at p < 0.01 sees a difference once in a hundred times where there is none, so a difference counts only
when three measurements, one after the other, see it the same way round.

On a push the measurements are made and noted, and none of them fails: with so few samples a busy machine decides. What
a push holds is that a clumsy comparison is seen, and that every key is compared by its hash. Time itself is held for a
release."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

import numpy as np
import pytest

import api.keys
from api.keys import KeyRing, add_key, read_keys
from tests.faults.campaign import Campaigns

_SAMPLES = (200, 10_000)  # of each side: on a push, and for a release
_Look = Callable[[bytes], object]


def nanoseconds(look: _Look, one: bytes, other: bytes, samples: int, seed: int) -> tuple[list[int], list[int]]:
    """How long each is looked at, ``samples`` times, in an order by chance: what else the machine does befalls both
    alike. Each time it is another copy, since where an object lies in memory can be told by time too."""
    order = [(0, one), (1, other)] * samples
    random.Random(seed).shuffle(order)
    asked = [(which, bytes(bytearray(key))) for which, key in order]
    taken: tuple[list[int], list[int]] = ([], [])
    for which, key in asked:
        began = time.perf_counter_ns()
        look(key)
        taken[which].append(time.perf_counter_ns() - began)
    return taken


def rank_z(one: list[int], other: list[int]) -> float:
    """The statistic of Mann and Whitney's test, as a normal deviate: below 0 when the first are the shorter ones."""
    every = np.concatenate([np.asarray(one), np.asarray(other)])
    _, inverse, counts = np.unique(every, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # ties share the mean of their ranks
    n, m = len(one), len(other)
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    ties = float((counts**3 - counts).sum()) / ((n + m) * (n + m - 1))
    spread = math.sqrt(n * m / 12 * (n + m + 1 - ties))
    return (u - n * m / 2) / spread if spread else 0.0


def p_of(z: float) -> float:
    """How often chance alone gives a deviate this far from 0, on either side."""
    return math.erfc(abs(z) / math.sqrt(2))


def told_apart(look: _Look, one: bytes, other: bytes, samples: int, trial: int) -> tuple[bool, float]:
    """Whether three measurements in a row see which is which; and the largest p of those made."""
    worst, side = 0.0, 0.0
    for repeat in range(3):
        z = rank_z(*nanoseconds(look, one, other, samples, seed=trial * 3 + repeat))
        worst = max(worst, p_of(z))
        if p_of(z) >= 0.01 or z * side < 0:
            return False, worst
        side = z
    return True, worst


def spoiled(text: str, at: int) -> str:
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :] if at >= 0 else spoiled(text, len(text) + at)


def ring_of(path: Path, digests: list[str]) -> KeyRing:
    """Keys of which only the hashes are known."""
    stored = [{"name": f"k{n}", "sha256": digest, "created_at": ""} for n, digest in enumerate(digests)]
    path.write_text(json.dumps({"format": 1, "keys": stored}))
    ring = KeyRing(path)
    assert ring.name_of(b"") == ""
    return ring


@pytest.mark.alone
def test_a_key_that_is_nearly_right_is_refused_in_the_same_time(campaign: Campaigns, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "ana")
    first, last = spoiled(key, 3).encode(), spoiled(key, -1).encode()  # behind fn_, which all keys have
    assert first != key.encode() != last
    ring = KeyRing(tmp_path / "keys.json")
    nearly = ring_of(tmp_path / "nearly.json", [spoiled(sha256(last).hexdigest(), -1)] * 16)
    rings = {"keys": ring, "hashes": nearly}
    with campaign("S2", "a key off in its first byte, and in its last", push=2, release=20) as trials:
        measured = trials.plan.share_s is not None
        samples = _SAMPLES[measured]
        found = []
        for trial in trials:
            name = list(rings)[trial % 2]
            assert rings[name].name_of(first) == rings[name].name_of(last) == ""
            seen, p = told_apart(rings[name].name_of, first, last, samples, trial)
            found.append(p)
            assert not (seen and measured), f"trial {trial}: the {name} are told apart by time, p {p:.2g}"
        trials.note("samples a side", samples)
        trials.note("smallest p", f"{min(found):.2g}")


@pytest.mark.alone
def test_which_of_the_keys_one_is_nearly_like_takes_the_same_time(campaign: Campaigns, tmp_path: Path) -> None:
    one, other, *others = (f"fn_{n:040d}".encode() for n in range(64))
    hashes = [sha256(key).hexdigest() for key in (one, *others, other)]
    ring = ring_of(tmp_path / "many.json", [spoiled(hashes[0], -1), *hashes[1:-1], spoiled(hashes[-1], -1)])
    assert (ring.name_of(others[0]), ring.name_of(one), ring.name_of(other)) == ("k1", "", "")
    with campaign("S2", "a key nearly like the first of 64, and nearly like the last", push=1, release=10) as trials:
        measured = trials.plan.share_s is not None
        for trial in trials:
            seen, p = told_apart(ring.name_of, one, other, _SAMPLES[measured], trial)
            assert not (seen and measured), f"trial {trial}: the place of a key is told by time, p {p:.2g}"
        trials.note("samples a side", _SAMPLES[measured])


def test_a_comparison_that_stops_early_is_seen(campaign: Campaigns, tmp_path: Path) -> None:
    """The null control: the keys themselves, letter by letter, as far as they agree."""
    key = add_key(tmp_path / "keys.json", "ana")

    def alike(presented: bytes) -> bool:
        for mine, theirs in zip(key, presented.decode(), strict=True):
            sha256(mine.encode() * 64).hexdigest()  # a letter's cost, planted
            if mine != theirs:
                return False
        return True

    first, last = spoiled(key, 3).encode(), spoiled(key, -1).encode()
    seen, _ = told_apart(alike, first, last, _SAMPLES[0], 0)
    same, _ = told_apart(alike, last, last, _SAMPLES[0], 1)
    campaign.control("S2", "a comparison that ends at the first letter that differs", failed=int(seen), of=1)
    assert not same


def test_every_key_is_compared_and_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    made = [add_key(path, f"user-{n}") for n in range(5)]
    compared: list[tuple[str, str]] = []

    def counting(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare_digest(one, other)

    monkeypatch.setattr(api.keys, "compare_digest", counting)
    ring = KeyRing(path)
    for key in (*made, "fn_none-of-them"):
        compared.clear()
        ring.name_of(key.encode())
        assert compared == [(one.sha256, sha256(key.encode()).hexdigest()) for one in read_keys(path)]
