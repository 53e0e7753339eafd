"""Requests that fit the OpenAPI document and requests that do not, one by one and in chains, each response checked
against the document and for what it tells of the machine."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import checks
from schemathesis.generation import GenerationMode
from starlette.testclient import TestClient

from api.app import create_app
from tests.api.conftest import routes
from tests.conftest import World
from tests.faults.campaign import Campaigns
from tests.faults.leaks import leaks

pytestmark = pytest.mark.usefixtures("quiet")

_EXAMPLES = (6, 24)  # of an operation in a batch: on a push, and for a release
_PHASES = (Phase.explicit, Phase.generate)  # what fails is told as it came, not made smaller for minutes
# As in tests/api/test_described.py: that a question must have a word in it is more than a schema can say.
_BEYOND = {path: [checks.positive_data_acceptance] for path in ("/v1/ask", "/v1/chat/completions")}
Batch = tuple[str, str, GenerationMode]


@pytest.fixture
def app(world: World) -> FastAPI:
    return create_app(world.footnote)


def batches(described: Any) -> list[Batch]:
    """Every operation with requests that fit; with such that do not where there is a body to be wrong."""
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return [
        (method, path, mode)
        for (method, path), mode in product(sorted(routes()), modes)
        if mode is GenerationMode.POSITIVE or described[path][method].body
    ]


def check(case: Any, response: Any, paths: tuple[Path, ...], excluded: list[Any]) -> None:
    assert response.status_code < 500 or response.status_code == 503, (case, response.status_code)
    told = {name: ", ".join(values) for name, values in response.headers.items()}
    found = list(leaks(told, response.text, *paths))
    assert found == [], f"{case.method} {case.formatted_path} tells {found}"
    if response.status_code != 413:  # refused before anyone looked whether it fits
        case.validate_response(response, excluded_checks=excluded)


def ask_batch(described: Any, batch: Batch, examples: int, trial: int, paths: tuple[Path, ...]) -> int:
    """How many requests were made for one operation, each response checked."""
    method, path, mode = batch
    requests = 0

    @seed(trial)
    @given(described[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples, deadline=None, database=None, phases=_PHASES, suppress_health_check=list(HealthCheck)
    )
    def holds(case: Any) -> None:
        nonlocal requests
        requests += 1
        check(case, case.call(), paths, _BEYOND.get(path, []))

    holds()
    return requests


def test_every_operation_is_as_described_and_tells_nothing_of_the_machine(
    campaign: Campaigns, world: World, app: FastAPI
) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", app)
    every = batches(described)
    requests = 0
    with campaign("L12", "a batch of requests made for one operation", push=len(every), release=1_000) as trials:
        examples = _EXAMPLES[trials.plan.share_s is not None]
        for trial in trials:
            requests += ask_batch(described, every[trial % len(every)], examples, trial, (world.source, world.data))
        trials.note("requests", requests)


def test_chains_of_requests_are_as_described(campaign: Campaigns, world: World, app: FastAPI) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", app)
    requests = 0

    class Chain(described.as_state_machine()):  # type: ignore[misc] # made as it runs
        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            nonlocal requests
            requests += 1
            check(case, response, (world.source, world.data), _BEYOND.get(case.operation.path, []))

    chosen = settings(
        max_examples=4, stateful_step_count=8, deadline=None, database=None, phases=_PHASES,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    with campaign("L12", "a few chains of requests", push=1, release=100) as trials:
        for trial in trials:
            seed(trial)(Chain)
            Chain.run(settings=chosen)
        trials.note("requests", requests)


# -- the null control --------------------------------------------------------------------------------------------------

_LEAKS = (
    "Traceback (most recent call last)", "starlette 1.3.1", "Python/3.11.7", "<api.state.State object at 0x7f1200>",
    "no such file: {source}", "see {data}/CURRENT", 'File "x.py", line 3', "/usr/lib/python3.11/json", "in api/app.py",
)  # fmt: skip


def test_what_is_told_of_the_machine_is_seen(campaign: Campaigns, world: World, app: FastAPI) -> None:
    client = TestClient(app)
    planted = [text.format(source=world.source, data=world.data) for text in _LEAKS]

    @app.get("/planted/{n}")
    def planted_leak(n: int) -> dict[str, str]:
        return {"detail": planted[n]}

    seen = 0
    for n in range(len(planted)):
        response = client.get(f"/planted/{n}")
        assert response.status_code == 200
        seen += bool(list(leaks(response.headers, response.text, world.source, world.data)))
    campaign.control("S9", "that errors are told in words of our own", failed=seen, of=len(planted))
    assert seen == len(planted)
    harmless = client.get("/v1/index")
    assert list(leaks(harmless.headers, harmless.text, world.source, world.data)) == []


def test_pages_and_errors_of_every_kind_tell_nothing_of_the_machine(world: World, app: FastAPI) -> None:
    client = TestClient(app, raise_server_exceptions=False)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError(f"in {world.data}")

    paths = ["/", "/docs", "/static/app.js", "/static/", "/nothing", "/openapi.json", "/metrics", "/livez", "/broken"]
    paths += [re.sub(r"{\w+}", "x", path) for _, path in sorted(routes())]
    kinds: Counter[str] = Counter()
    for path in paths:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            response = client.request(method, path, content=b"{", headers={"Content-Type": "application/json"})
            kinds[response.headers.get("content-type", "")] += 1
            found = list(leaks(response.headers, response.text, world.source, world.data))
            assert found == [], (method, path, found)
    assert len(kinds) > 4, kinds
