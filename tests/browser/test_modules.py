"""The page's small modules, run where they run: in a browser, under the page's own policy."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from markdown_it import MarkdownIt

from rag.types import Fallback
from tests.browser.answers import answer
from tests.browser.page import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("The ferry sails at noon.", "ferry"),
        ("🚢🚢🚢 The ferry sails.", "The ferry sails."),
        ("a🚢b", "🚢"),
        ("e\u0301t\u00e9 🏴\u200d☠\ufe0f fin", "fin"),  # combining marks and a joined emoji: code points, not glyphs
        ("end 🚢", "🚢"),
        ("🚢", ""),
    ],
)
def test_code_point_ranges_find_the_same_words_here_as_in_python(page: Page, text: str, cited: str) -> None:
    start = text.index(cited)

    found = page.run_module(
        "const { utf16Range } = await import('/static/codepoints.js');"
        "const span = utf16Range(given[0], given[1], given[2]); return given[0].slice(span.start, span.end);",
        text,
        start,
        start + len(cited),
    )

    assert found == cited


@pytest.mark.parametrize(("start", "end"), [(0, 3), (3, 4), (-1, 1), (2, 1)])
def test_a_range_outside_the_text_is_none_at_all(page: Page, start: int, end: int) -> None:
    assert (
        page.run_module(
            "const { utf16Range } = await import('/static/codepoints.js');"
            "return utf16Range('🚢a', given[0], given[1]);",
            start,
            end,
        )
        is None
    )


STREAM = (
    ": keeps the connection open\r\n\r\n"
    'event: passages\ndata: {"one": 1}\n\n'
    "event: sentence\r\ndata: first 🚢\r\ndata:second\r\n\r\n"
    "data\rdata: unnamed\r\r"
    "event: nothing\n\n"
    "event: done\ndata: last\n\n"
    "event: broken\ndata: off"
)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_events_are_read_alike_however_the_network_cuts_them(page: Page, chunk: int) -> None:
    read = page.run_module(
        """
        const { events } = await import('/static/sse.js');
        const bytes = new TextEncoder().encode(given[0]);
        const body = new ReadableStream({ start(stream) {
          for (let at = 0; at < bytes.length; at += given[1]) stream.enqueue(bytes.slice(at, at + given[1]));
          stream.close();
        } });
        const read = [];
        for await (const event of events(body)) read.push([event.event, event.data]);
        return JSON.stringify(read);
        """,
        STREAM,
        chunk,
    )

    assert json.loads(read) == [
        ["passages", '{"one": 1}'],
        ["sentence", "first 🚢\nsecond"],
        ["message", "\nunnamed"],
        ["done", "last"],
    ]


@pytest.mark.parametrize(
    ("status", "body", "ends"),
    [
        (200, 'event: done\ndata: {"text": "x"}\n\n', "done"),
        (200, 'event: error\ndata: {"title": "No model", "status": 502}\n\n', "Problem: No model"),
        (200, 'event: passages\ndata: {"passages": []}\n\n', "CutOff: The answer was cut off"),
        (200, "event: passages\ndata: {not json\n\n", "CutOff: The answer was cut off"),
        (503, '{"title": "Nothing is indexed yet", "status": 503}', "Problem: Nothing is indexed yet"),
        (502, "<h1>Bad gateway</h1>", "Problem: The request failed with status 502"),
    ],
)
def test_a_stream_that_ends_badly_is_told_from_one_that_ends_well(
    page: Page, status: int, body: str, ends: str
) -> None:
    ended = page.run_module(
        """
        const { ask } = await import('/static/api.js');
        window.fetch = async () => new Response(given[1], { status: given[0] });
        let last = 'nothing';
        try {
          for await (const { event } of ask('Who?', [], new AbortController().signal)) last = event;
        } catch (error) { last = `${error.constructor.name}: ${error.title}`; }
        return last;
        """,
        status,
        body,
    )

    assert ended == ends


def test_a_report_is_said_in_words(page: Page) -> None:
    report = {
        "generation": "000007",
        "published": True,
        "added": ["a", "b"],
        "changed": ["c"],
        "renamed": [["d", "e"]],
        "deleted": [],
        "unchanged": 1204,
        "skipped": [{"source": "x.bin", "reason": "binary", "detail": ""}],
        "documents": 1208,
        "passages": 1,
    }

    said = page.run_module(
        "const { reportInWords } = await import('/static/words.js'); return reportInWords(given[0]);", report
    )

    assert said == (
        "2 added, 1 changed, 1 renamed and 1,204 unchanged. 1 file skipped. "
        "Generation 000007 holds 1,208 documents and 1 passage."
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "just now"), (59.9, "just now"), (60, "1 minute ago"), (7_300, "2 hours ago"), (3 * 86_400, "3 days ago")],
)
def test_an_age_is_said_in_words(page: Page, seconds: float, said: str) -> None:
    assert page.run_module("const { ago } = await import('/static/words.js'); return ago(given[0]);", seconds) == said


# -- conversations -----------------------------------------------------------------------------------------------------

STORE = """
    const { Conversations, MAX_CONVERSATIONS, MAX_CHARS, MAX_TURNS } = await import('/static/conversations.js');
    const held = new Map(); let room = Infinity; let now = 0;
    const store = {
      get: (key) => held.get(key) ?? null,
      set: (key, value) => {
        const others = [...held].filter(([other]) => other !== key).reduce((sum, [, text]) => sum + text.length, 0);
        if (others + value.length > room) return false;
        held.set(key, value);
        return true;
      },
      remove: (key) => held.delete(key),
    };
    const kept = new Conversations(store, () => (now += 1));
    const turn = (question) => ({ question, asked: 1, answer: null, sentences: [], citations: [], ended: 'stopped' });
    const make = (id, ...questions) => (
      { version: 1, id, title: id, created: 1, updated: 1, turns: questions.map(turn) });
"""


def test_conversations_are_listed_newest_first_and_renaming_moves_none(page: Page) -> None:
    listed = page.run_module(
        STORE + "kept.save(make('a', 'Q')); kept.save(make('b', 'Q')); kept.save(make('c')); kept.save(make('a', 'Q'));"
        "kept.rename('b', 'Boats\\n at  sea'); kept.remove('c'); return kept.list().map((one) => [one.id, one.title]);"
    )

    assert listed == [["a", "a"], ["b", "Boats at sea"]]


def test_the_oldest_conversations_make_room_for_new_ones(page: Page) -> None:
    by_number, by_length, by_room, turns = page.run_module(
        STORE
        + """
        for (let n = 0; n < MAX_CONVERSATIONS + 2; n += 1) kept.save(make(`n${n}`, 'Q'));
        const byNumber = [kept.list().length, kept.get('n1') === null, kept.get('n2') !== null];
        kept.clear();
        const long = 'x'.repeat(MAX_CHARS / 2);
        for (const id of ['a', 'b', 'c']) kept.save(make(id, long));
        const byLength = kept.list().map((one) => one.id);
        kept.clear();
        room = 2_000;
        kept.save(make('a', 'x'.repeat(900)));
        const saved = kept.save(make('b', 'x'.repeat(900)));
        const byRoom = [saved, kept.list().map((one) => one.id), kept.save(make('c', 'x'.repeat(9_000)))];
        room = Infinity;
        kept.save(make('t', ...Array.from({ length: MAX_TURNS + 3 }, (_, n) => `Q${n}`)));
        return [byNumber, byLength, byRoom, kept.get('t').turns.map((one) => one.question).slice(0, 1)];
        """
    )

    assert by_number == [100, True, True]
    assert by_length == ["c"]
    assert by_room == [True, ["b"], False]
    assert turns == ["Q3"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"version": 2, "id": "a", "title": "", "created": 1, "updated": 1, "turns": []}',
        '{"version": 1, "id": 5, "title": "", "created": 1, "updated": 1, "turns": []}',
        '{"version": 1, "id": "a", "title": "", "created": 1, "updated": 1}',
    ],
)
def test_what_is_no_conversation_is_not_read_as_one(page: Page, text: str) -> None:
    read = "const { readConversation } = await import('/static/conversations.js'); return readConversation(given[0]);"
    assert page.run_module(read, text) is None


def test_turns_that_are_not_whole_are_left_out(page: Page) -> None:
    good = {"question": "Q", "asked": 1, "answer": None, "sentences": [], "citations": [], "ended": "stopped"}
    bad = [
        None,
        {**good, "question": 5},
        {**good, "sentences": [{"text": "T", "citations": "1"}]},
        {**good, "answer": {"text": "T"}},
        {**good, "citations": [{"n": 1}]},
    ]
    text = json.dumps({"version": 1, "id": "a", "title": "", "created": 1, "updated": 1, "turns": [*bad, good]})

    read = "const { readConversation } = await import('/static/conversations.js'); return readConversation(given[0]);"
    assert page.run_module(read, text)["turns"] == [good]


def test_an_export_numbers_its_footnotes_through_and_is_inert(page: Page) -> None:
    hostile = "![x](http://elsewhere.test/x) <img src=x> [^1] `code` **bold** www.elsewhere.test"
    plain = answer({"text": "One.", "citations": [1], "verdict": "supported"})
    doubted = answer({"text": hostile, "citations": [1], "verdict": "contradicted"})
    turns = [
        {"question": "First?", "asked": 1, "answer": plain},
        {"question": "1. Second?\n# no heading", "asked": 1, "answer": doubted},
        {"question": "Third?", "asked": 1, "answer": None, "sentences": [], "citations": []},
    ]
    exported = page.run_module(
        "const { asMarkdown } = await import('/static/export.js'); return asMarkdown(given[0]);",
        {"title": "Tides *", "turns": turns},
    )

    assert isinstance(exported, str)
    html = MarkdownIt("commonmark").render(exported)
    assert "<h1>Tides *</h1>" in html
    assert "<h2>1. Second? # no heading</h2>" in html
    assert "[^1]: Tides, a.md: “One.” (characters 0 to 4)" in exported
    assert "contradicted by its source)[^2]" in exported
    assert "[^2]: Tides, a.md: " in exported
    assert "No answer." in exported
    for element in ("<img", "<a ", "<code", "<strong", "<ol"):
        assert element not in html
    assert "www.elsewhere" not in exported  # which some renderers make a link of


@pytest.mark.parametrize(
    ("code", "mode", "said"),
    [
        ("", "generative", ""),
        (
            "llm_timeout",
            "extractive",
            "The language model did not answer in time, so the documents are quoted instead.",
        ),
        ("llm_cut_off", "generative", "The language model's reply was cut off, so the answer ends early."),
        (
            "llm_new_code",
            "extractive",
            "The language model's answer could not be used (llm new code), so the documents are quoted instead.",
        ),
    ],
)
def test_a_fallback_is_said_in_words(page: Page, code: str, mode: str, said: str) -> None:
    words = "const { fallbackInWords } = await import('/static/words.js'); return fallbackInWords(given[0]);"
    assert page.run_module(words, {"fallback": code, "mode": mode}) == said


def test_every_fallback_has_words(page: Page) -> None:
    words = "const { fallbackInWords } = await import('/static/words.js'); return given[0].map(fallbackInWords);"
    codes = [{"fallback": code, "mode": "extractive"} for code in get_args(Fallback) if code]
    assert not [said for said in page.run_module(words, codes) if "could not be used" in said]
