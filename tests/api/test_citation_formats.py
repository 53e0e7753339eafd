"""From each shape, with the answer's text and the documents, every span and quotation is found again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.citation_formats import CitationFormat, char_locations, cited_documents, formatted
from rag.types import Answer, Citation
from tests.api.conftest import events_of
from tests.api.test_ask import OPENED, ask

Span = tuple[int, int, str, int, int, str]  # of the answer, the document, of the document, what was cited
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)  # of any plane


@st.composite
def answers(draw: st.DrawFn) -> tuple[Answer, dict[str, str]]:
    """An answer of up to five sentences, each with up to three footnotes, and the texts of the documents it cites.

    Sentences are apart and need not be footnoted; documents may share a title, and a footnote may be given twice."""
    documents = draw(st.lists(st.tuples(TEXT, st.sampled_from(["", "Harbour", '🚢 "x"'])), min_size=1, max_size=3))
    texts = {f"{n:020x}": text for n, (text, _) in enumerate(documents)}
    citations: list[Citation] = []
    sentences = draw(st.lists(st.tuples(TEXT, st.integers(0, 3)), max_size=5))
    position = 0
    for sentence, notes in sentences:
        for _ in range(notes):
            n = draw(st.integers(0, len(documents) - 1))
            document_id = f"{n:020x}"
            start = draw(st.integers(0, len(texts[document_id]) - 1))
            end = draw(st.integers(start + 1, len(texts[document_id])))
            citations.append(
                citation(
                    n=len(citations) + 1,
                    answer=(position, position + len(sentence)),
                    document_id=document_id,
                    title=documents[n][1],
                    span=(start, end),
                    cited_text=texts[document_id][start:end],
                )
            )
        position += len(sentence) + 1
    return answer(" ".join(sentence for sentence, _ in sentences) or "The documents don't say.", citations), texts


def citation(
    *, n: int, answer: tuple[int, int], document_id: str, title: str, span: tuple[int, int], cited_text: str
) -> Citation:
    return Citation(
        n=n,
        answer_start=answer[0],
        answer_end=answer[1],
        document_id=document_id,
        source=f"{document_id}.txt",
        title=title,
        source_sha256="",
        text_sha256=document_id,
        passage_id=f"{document_id}-0-1",
        start_char=span[0],
        end_char=span[1],
        page=None,
        heading_path=(),
        slide=None,
        sheet=None,
        row=None,
        chapter=None,
        cited_text=cited_text,
        verified=True,
        support=1.0,
        source_changed=False,
        url=f"/v1/documents/{document_id}/text#char={span[0]},{span[1]}",
    )


def answer(text: str, citations: list[Citation]) -> Answer:
    return Answer(
        answer_id="",
        generation="000001",
        question="",
        standalone_question="",
        mode="extractive",
        text=text,
        abstained=not citations,
        reason="",
        confidence=1.0,
        min_confidence=0.0,
        sentences=(),
        citations=tuple(citations),
        passages=(),
        removed_citations=0,
        timings_ms={},
    )


def spans(given: Answer) -> list[Span]:
    return [
        (one.answer_start, one.answer_end, one.document_id, one.start_char, one.end_char, one.cited_text)
        for one in given.citations
    ]


def back_from_anthropic(made: dict[str, Any]) -> list[Span]:
    found, position = [], 0
    for block in made["content"]:
        end = position + len(block["text"])
        for one in block["citations"]:
            document = made["documents"][one["document_index"]]
            assert one["document_title"] == document["title"]
            span = (one["start_char_index"], one["end_char_index"])
            found.append((position, end, document["document_id"], *span, one["cited_text"]))
        position = end
    return found


def back_from_cohere(made: dict[str, Any]) -> list[Span]:
    return [
        (one["start"], one["end"], source["id"], document["start_char"], document["end_char"], document["snippet"])
        for one in made["citations"]
        for source in one["sources"]
        for document in [source["document"]]
    ]


def back_from_openai(made: dict[str, Any], texts: dict[str, str]) -> list[Span]:
    found = []
    for annotation in made["annotations"]:
        cited = annotation["url_citation"]
        address, _, fragment = cited["url"].partition("#char=")
        document_id = address.split("/")[-2]
        start, end = map(int, fragment.split(","))
        quoted = texts[document_id][start:end]
        found.append((cited["start_index"], cited["end_index"], document_id, start, end, quoted))
    return found


@settings(deadline=None)
@given(made=answers())
def test_nothing_is_lost_in_anthropic_s_shape(made: tuple[Answer, dict[str, str]]) -> None:
    given_, _ = made
    shape = formatted(given_, "anthropic")
    assert shape is not None
    assert "".join(block["text"] for block in shape["content"]) == given_.text
    assert all(block["text"] for block in shape["content"])
    assert back_from_anthropic(shape) == spans(given_)


@settings(deadline=None)
@given(made=answers())
def test_nothing_is_lost_in_cohere_s_shape(made: tuple[Answer, dict[str, str]]) -> None:
    given_, _ = made
    shape = formatted(given_, "cohere")
    assert shape is not None
    assert all(one["text"] == given_.text[one["start"] : one["end"]] for one in shape["citations"])
    assert back_from_cohere(shape) == spans(given_)


@settings(deadline=None)
@given(made=answers(), base=st.sampled_from(["", "http://127.0.0.1:8000", "https://footnote.example/under"]))
def test_nothing_is_lost_in_openai_s_shape(made: tuple[Answer, dict[str, str]], base: str) -> None:
    given_, texts = made
    shape = formatted(given_, "openai", base)
    assert shape is not None
    assert all(one["url_citation"]["url"].startswith(base + "/v1/") for one in shape["annotations"])
    assert back_from_openai(shape, texts) == spans(given_)


@settings(deadline=None)
@given(made=answers())
def test_documents_are_listed_once_in_the_order_of_their_first_footnote(made: tuple[Answer, dict[str, str]]) -> None:
    given_, _ = made
    ids = [one.document_id for one in given_.citations]
    listed = [document["document_id"] for document in cited_documents(given_)]
    assert listed == sorted(set(ids), key=ids.index)


def test_a_footnote_to_a_part_of_a_footnoted_span_keeps_its_words_apart() -> None:
    outer = citation(n=1, answer=(0, 9), document_id="d", title="", span=(0, 9), cited_text="abc def g")
    inner = citation(n=2, answer=(4, 7), document_id="d", title="", span=(4, 7), cited_text="def")
    blocks = char_locations(answer("abc def g", [outer, inner]))
    assert [(block["text"], len(block["citations"])) for block in blocks] == [("abc ", 1), ("def", 2), (" g", 1)]


# -- over HTTP ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "field"), [("anthropic", "content"), ("cohere", "citations"), ("openai", "annotations")]
)
def test_an_answer_has_the_shape_asked_for_beside_its_own(client: TestClient, form: CitationFormat, field: str) -> None:
    plain = ask(client)
    given = ask(client, citation_format=form)
    made = given.pop("formatted")
    assert {**given, "timings_ms": {}} == {**plain, "timings_ms": {}}
    assert (made["format"], len(made["documents"]), bool(made[field])) == (form, 1, True)
    stream = client.post("/v1/ask", json={"question": OPENED, "citation_format": form, "stream": True})
    name, done = events_of(stream.text)[-1]
    assert (name, done["formatted"]) == ("done", made)


def test_without_a_shape_asked_for_there_is_none(client: TestClient) -> None:
    assert "formatted" not in ask(client)
    assert "formatted" not in ask(client, citation_format="native")
    assert client.post("/v1/ask", json={"question": OPENED, "citation_format": "mla"}).status_code == 422


def test_an_abstention_is_one_block_without_citations(client: TestClient) -> None:
    made = ask(client, "Who was crowned king of Sweden?", citation_format="anthropic")["formatted"]
    assert made["documents"] == []
    assert made["content"] == [{"type": "text", "text": "The documents don't say.", "citations": []}]


def test_an_annotation_s_address_can_be_opened(client: TestClient) -> None:
    given = ask(client, citation_format="openai")
    (annotation,) = given["formatted"]["annotations"]
    address, _, fragment = annotation["url_citation"]["url"].partition("#char=")
    start, end = map(int, fragment.split(","))
    assert client.get(address).text[start:end] == given["citations"][0]["cited_text"]
