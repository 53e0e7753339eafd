"""What the OpenAPI document promises, asked of the server with requests that fit it and requests that do not."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from schemathesis.generation import GenerationMode

from api.app import create_app
from tests.api.conftest import routes
from tests.conftest import World


@pytest.fixture
def described(world: World) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(world.footnote))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), sorted(routes()))
def test_every_operation_is_as_it_is_described(described: Any, method: str, path: str, mode: GenerationMode) -> None:
    operation = described[path][method]
    if mode is GenerationMode.NEGATIVE and not operation.body:
        return  # any text may be an id: without a body nothing can be wrong
    # That a question must have a word in it is more than a schema can say, and so is what of OpenAI's is not done here.
    beyond = [checks.positive_data_acceptance] if path in ("/v1/ask", "/v1/chat/completions") else []

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def holds(case: schemathesis.Case[Any]) -> None:
        response = case.call()
        if response.status_code != 413:  # refused before anyone looked whether it fits
            case.validate_response(response, excluded_checks=beyond)

    holds()
