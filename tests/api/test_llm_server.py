"""A real OpenAI-compatible server with a real model, of random weights: it answers in good form and without sense."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.errors import LlmError
from rag.llm import ChatLlm, Endpoint
from rag.types import Turn
from tests.api.conftest import Connect, events_of
from tests.conftest import World
from tests.rag.port import fill
from tests.tiny import make_causal_lm

pytestmark = pytest.mark.model

QUESTION = "When was the harbour opened?"


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and model of `transformers serve`."""
    model = make_causal_lm(tmp_path_factory.mktemp("llm") / "babbler")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        str(model),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    log = model.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        deadline = time.monotonic() + 240
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text("utf-8", "replace")[-2_000:]
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", str(model)
    finally:
        process.terminate()
        process.wait(30)


def test_it_babbles_in_good_form(babbler: tuple[str, str]) -> None:
    pieces: list[str] = []
    llm = ChatLlm(Endpoint(*babbler, idle_s=60.0))
    with pytest.raises(LlmError) as raised:
        pieces.extend(llm.stream([Turn("user", "Hello?")], max_tokens=24, timeout_s=120.0))
    assert raised.value.code == "llm_too_long"  # it never comes to an end
    assert "".join(pieces).strip()


def test_its_babble_is_not_given_for_an_answer(
    babbler: tuple[str, str], make_world: Callable[..., World], connect: Connect, tmp_path: Path
) -> None:
    url, model = babbler
    world = make_world(
        fill(tmp_path / "port"), llm_url=url, llm_model=model, llm_timeout_s=120.0, llm_idle_s=60.0,
        request_timeout_s=200, llm_max_tokens=64, min_confidence=0.0,
    )  # fmt: skip
    world.build()
    client = connect(world.footnote)
    quoted = client.post("/v1/ask", json={"question": QUESTION, "mode": "extractive"}).json()
    given = client.post("/v1/ask", json={"question": QUESTION}).json()
    assert (given["mode"], given["fallback"]) == ("extractive", "llm_too_long")
    assert given["text"] == quoted["text"]
    assert "1911" in given["text"]
    streamed = events_of(client.post("/v1/ask", json={"question": QUESTION, "stream": True}).text)
    assert streamed[-1][1]["text"] == quoted["text"]
