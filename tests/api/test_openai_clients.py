"""Clients that people have, asked to talk to the real application: OpenAI's own, and LangChain's on top of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from pydantic import SecretStr

from tests.api.conftest import Live
from tests.api.test_chat import KING, OPENED
from tests.conftest import LiveServer, World

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": OPENED}]
OPENING = "The harbour was opened in 1911 by Mayor Ilse Brandt."


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, proxy or tracing of whoever runs the tests: LangSmith's would send the questions away."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "LANGSMITH_API_KEY", "LANGCHAIN_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "false")


@pytest.fixture
def url(world: World, live: Live) -> str:
    return live(world.footnote)


@pytest.fixture
def sdk(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def assert_cited(content: str, annotations: list[dict[str, Any]], citations: list[dict[str, Any]]) -> None:
    """Each annotation leads to a document whose text holds, at the citation's offsets, what was cited."""
    assert len(annotations) == len(citations) > 0
    for annotation, citation in zip(annotations, citations, strict=True):
        cited = annotation["url_citation"]
        text = httpx2.get(cited["url"].partition("#")[0]).text
        assert text[citation["start_char"] : citation["end_char"]] == citation["cited_text"]
        assert content[cited["start_index"] : cited["end_index"]] == citation["cited_text"]
        start, end = cited["url"].partition("#char=")[2].split(",")
        assert text[int(start) : int(end)] == citation["cited_text"]


def assert_answered(made: ChatCompletion) -> None:
    message = made.choices[0].message
    assert message.content == OPENING
    assert message.annotations is not None
    annotations = [annotation.model_dump() for annotation in message.annotations]
    assert_cited(message.content, annotations, made.model_extra["citations"])  # type: ignore[index] # it has extras


# -- the openai SDK ----------------------------------------------------------------------------------------------------


def test_the_sdk_gets_an_answer_with_typed_annotations(sdk: openai.OpenAI) -> None:
    made = sdk.chat.completions.create(model="footnote", messages=ASKED)
    assert_answered(made)
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
    assert made.choices[0].finish_reason == "stop"


def test_the_sdk_lists_the_model(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["footnote"]
    assert sdk.models.retrieve("footnote").owned_by == "footnote"


def test_the_sdk_streams_an_answer(sdk: openai.OpenAI) -> None:
    chunks = list(
        sdk.chat.completions.create(
            model="footnote", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )
    *told, last, usage = chunks
    content = "".join(chunk.choices[0].delta.content or "" for chunk in told)
    assert content == OPENING
    assert last.choices[0].finish_reason == "stop"
    assert_cited(
        content,
        last.choices[0].delta.model_extra["annotations"],  # type: ignore[index] # it has extras
        last.model_extra["citations"],  # type: ignore[index] # as above
    )
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.completion_tokens > 0


def test_the_sdk_s_accumulating_stream_ends_with_the_whole_completion(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model="footnote", messages=ASKED) as stream:
        for _ in stream:
            pass
        made = stream.get_final_completion()
    message = made.choices[0].message
    assert message.content == OPENING
    assert message.annotations is not None
    assert [annotation.url_citation.end_index for annotation in message.annotations] == [len(OPENING)]


def test_the_sdk_without_blocking(url: str) -> None:
    async def main() -> tuple[ChatCompletion, str]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            made = await client.chat.completions.create(model="footnote", messages=ASKED)
            stream = await client.chat.completions.create(model="footnote", messages=ASKED, stream=True)
            return made, "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    made, streamed = asyncio.run(main())
    assert_answered(made)
    assert streamed == OPENING


def test_a_follow_up_through_the_sdk(sdk: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "You are a pirate."},
        *ASKED,
        {"role": "assistant", "content": OPENING},
        {"role": "user", "content": [{"type": "text", "text": "And what did it cost?"}]},
    ]
    made = sdk.chat.completions.create(model="footnote", messages=messages, temperature=0, max_tokens=5)
    assert "4.2 million crowns" in (made.choices[0].message.content or "")


def test_the_sdk_can_name_the_documents(sdk: openai.OpenAI) -> None:
    narrowed = {"footnote": {"documents": ["emoji.md"]}}
    made = sdk.chat.completions.create(model="footnote", messages=ASKED, extra_body=narrowed)
    assert made.choices[0].message.content == "The documents don't say."


@pytest.mark.model
def test_the_sdk_and_the_product_with_its_own_models(live_server: LiveServer) -> None:
    question = "When does the ferry Aurora sail?"
    with openai.OpenAI(base_url=f"{live_server.url}/v1", api_key="none", max_retries=0) as client:
        made = client.chat.completions.create(model="footnote", messages=[{"role": "user", "content": question}])
    message = made.choices[0].message
    assert message.content == "🚢🚢🚢 The ferry Aurora sails at noon every Tuesday."
    annotations = [annotation.model_dump() for annotation in message.annotations or ()]
    assert_cited(message.content, annotations, made.model_extra["citations"])  # type: ignore[index] # it has extras


def test_the_sdk_is_told_of_abstaining(sdk: openai.OpenAI) -> None:
    made = sdk.chat.completions.create(model="footnote", messages=[{"role": "user", "content": KING}])
    assert made.choices[0].message.content == "The documents don't say."
    about = made.model_extra["footnote"]  # type: ignore[index] # it has extras
    assert (about["abstained"], about["reason"]) == (True, "weak_evidence")


def test_the_sdk_raises_the_error_that_fits(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        sdk.chat.completions.create(model="gpt-4o", messages=ASKED)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.chat.completions.create(model="footnote", messages=ASKED, n=2)
    assert (refused.value.param, refused.value.type) == ("n", "invalid_request_error")


# -- LangChain ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def replies() -> list[httpx2.Response]:
    """What the server said, as it said it: LangChain keeps the content and the usage of a message, and drops its
    annotations."""
    return []


@pytest.fixture
def chat(url: str, replies: list[httpx2.Response]) -> Iterator[ChatOpenAI]:
    def keep(response: httpx2.Response) -> None:
        if response.headers["content-type"] == "application/json":
            response.read()
            replies.append(response)

    with httpx2.Client(event_hooks={"response": [keep]}) as http:
        yield ChatOpenAI(
            model="footnote", base_url=f"{url}/v1", api_key=SecretStr("none"), max_retries=0, http_client=http
        )


def test_langchain_invokes(chat: ChatOpenAI, replies: list[httpx2.Response]) -> None:
    message = chat.invoke(OPENED)
    assert message.content == OPENING
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] > 0
    assert message.response_metadata["finish_reason"] == "stop"
    (reply,) = replies
    made = reply.json()
    assert_cited(OPENING, made["choices"][0]["message"]["annotations"], made["citations"])


def test_langchain_holds_a_conversation(chat: ChatOpenAI) -> None:
    turns = [SystemMessage("You are a pirate."), HumanMessage(OPENED), AIMessage(OPENING)]
    message = chat.invoke([*turns, HumanMessage("And what did it cost?")])
    assert "4.2 million crowns" in str(message.content)


def test_langchain_streams(chat: ChatOpenAI) -> None:
    chunks = list(chat.stream(OPENED, stream_usage=True))
    assert "".join(str(chunk.content) for chunk in chunks) == OPENING
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert isinstance(whole, AIMessageChunk)
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] > 0
    assert whole.response_metadata["finish_reason"] == "stop"


def test_langchain_without_blocking(chat: ChatOpenAI) -> None:
    async def main() -> tuple[Any, str]:
        made = await chat.ainvoke(OPENED)
        return made.content, "".join([str(chunk.content) async for chunk in chat.astream(OPENED)])

    assert asyncio.run(main()) == (OPENING, OPENING)


def test_langchain_is_told_that_the_documents_don_t_say(chat: ChatOpenAI, replies: list[httpx2.Response]) -> None:
    assert chat.invoke(KING).content == "The documents don't say."
    assert replies[0].json()["footnote"]["abstained"] is True


def test_langchain_raises_what_the_sdk_raises(chat: ChatOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="empty"):
        chat.invoke("?!")
