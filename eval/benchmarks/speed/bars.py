"""What Footnote sets out to reach in speed, on two cores, and what came of it; docs/performance.md says why these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT = "default"  # the runtime that the settings name
_MILLION, _HUNDRED_THOUSAND = 1_000_000, 100_000

Values = Mapping[str, Any]
"""What a report holds as JSON."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure to reach."""

    what: str
    limit: float
    at_least: bool  # or at most
    measured: float | None  # None where it was not

    @property
    def met(self) -> bool:
        if self.measured is None:
            return False
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def bars(reports: Mapping[str, Mapping[str, Values]]) -> list[Bar]:
    """Of reports, by what they measure (index, query, limit, peers, scale) and the runtime that they measured it on."""
    systems = reports["peers"][DEFAULT]["systems"]
    found: list[Bar] = []
    for runtime in reports["query"]:
        on = "" if runtime == DEFAULT else f" on {runtime}"
        found += _of_peers(systems, runtime, on)
        found += _of_server(reports["query"][runtime], on)
        nothing = reports["index"][runtime]["nothing_changed"]
        found.append(Bar(f"nothing changed in {nothing['files']:,} files{on}, s", 2, False, nothing["build_s"]))
    best = max(map(_least_share, reports["limit"].values()))
    found.append(Bar("embedding, of the int8 limit, on the better runtime", 0.35, True, best))
    for one in reports["scale"][DEFAULT]["sizes"]:
        found += _of_size(one)
    return found


def _of_peers(systems: Values, runtime: str, on: str) -> Iterator[Bar]:
    own = "footnote" if runtime == DEFAULT else f"footnote-{runtime}"
    of_langchain, of_txtai = (3.5, 3.0) if runtime == "openvino" else (2.5, 2.2)
    for peer, title, least in (("langchain", "LangChain", of_langchain), ("txtai", "txtai", of_txtai)):
        yield Bar(f"text indexed{on}, times {title}'s", least, True, _over(systems, peer, "rate", own))
    yield Bar(f"a query{on}, of LangChain's time", 0.5, False, _over(systems, "langchain", "p50", own))


def _over(systems: Values, peer: str, what: str, own: str) -> float | None:
    ratio = systems.get(peer, {}).get(f"{what}_over_its", {}).get(own)
    return float(ratio["median"]) if ratio else None


def _of_server(query: Values, on: str) -> Iterator[Bar]:
    loads = query["loads"]
    for name, most in (("ask, reader off", 25), ("ask, reader on", 80)):
        yield Bar(f"{name}{on}: p50, ms", most, False, loads[name][0]["latency"]["p50_ms"])
    for name, (*_, two, crowd) in loads.items():
        what = f"{name}{on}, {crowd['clients']} clients"
        yield Bar(f"{what}: errors", 0, False, crowd["errors"])
        yield Bar(f"{what}: answers a second, of two clients'", 0.8, True, crowd["per_second"] / two["per_second"])
    yield Bar(f"from start to first answer{on}, s", 3, False, query["first_answer_s"]["median"])


def _least_share(limit: Values) -> float:
    """Of what all threads multiply together, of the shape that they are fastest at."""
    return float(min(list(shares.values())[-1] for shares in limit["indexing"]["share_of"].values()))


def _of_size(one: Values) -> Iterator[Bar]:
    passages = f"{one['passages']:,} passages"
    changed = one["one_document_changed"]["build_s"]
    if one["size"] == _HUNDRED_THOUSAND:
        yield Bar(f"{passages}: one document changed, s", 3, False, changed)
        yield Bar(f"{passages}: memory serving, MB", 1_200, False, one["serving_rss_bytes"] / 2**20)
    if one["size"] == _MILLION:
        yield Bar(f"{passages}: one document changed, s", 30, False, changed)
        yield Bar(f"{passages}: a query, p50 ms", 30, False, one["search"]["p50_ms"])
        yield Bar(f"{passages}: a query, p95 ms", 80, False, one["search"]["p95_ms"])
        yield Bar(f"{passages}: found of the exact nearest", 0.97, True, one["recall"])
