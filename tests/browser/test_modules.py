"""The page's small modules, run where they run: in a browser, under the page's own policy."""

from __future__ import annotations

import json

import pytest

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
