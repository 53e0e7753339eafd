"""A page is read as a browser shows it, without what is not content."""

from __future__ import annotations

import pytest

from .parsing import path_of, read, shown, skip_reason


def test_the_structure_of_a_simple_page_is_kept_whole() -> None:
    parsed = read(
        """<!DOCTYPE html><html><head><title>Lamp - Site</title><style>p{}</style></head><body>
        <h1>The <i>lamp</i></h1><p>Lit at
        dusk.<br>Out at dawn.</p><div>Loose words<p>inner</p>tail</div>
        <h2>Parts</h2><ul><li>wick <b>and</b> oil<ol><li>colza</ol></ul>
        <dl><dt>Lens<dd>Bends light.</dl><blockquote>Keep dry.</blockquote><pre>port = 1
  host = a</pre><a href="x">The only link</a></body></html>""",
        ".html",
    )
    assert shown(parsed) == [
        ("heading", "The lamp"),
        ("prose", "Lit at dusk.\nOut at dawn."),
        ("prose", "Loose words"),
        ("prose", "inner"),
        ("prose", "tail"),
        ("heading", "Parts"),
        ("item", "wick and oil"),
        ("item", "colza"),
        ("item", "Lens"),
        ("prose", "Bends light."),
        ("prose", "Keep dry."),
        ("prose", "port = 1\n  host = a"),
        ("prose", "The only link"),
    ]
    assert parsed.title == "The lamp"
    assert path_of(parsed, "Bends") == ("The lamp", "Parts")


def test_what_no_reader_sees_is_left_out() -> None:
    parsed = read(
        """<body><nav>menu</nav><script>x()</script><noscript>no</noscript><template>t</template><svg><text>s</text></svg>
        <p>Seen.</p><p hidden>no</p><p style="color:red; DISPLAY : none">no</p><p style="font-size:0px">no</p>
        <p style="opacity:0.9">Faint.</p><!-- no --><img alt="no"><iframe src="http://x">no</iframe>
        <aside>no</aside><footer>no</footer>""",
        ".htm",
    )
    assert parsed.text == "Seen.\n\nFaint."
    assert read('<body style="opacity:0"><p>Shown by a script.</p></body>', ".html").text == "Shown by a script."


def test_outside_the_marked_main_part_nothing_is_quoted_but_the_name() -> None:
    parsed = read(
        "<h1>Site</h1><h2>Keys</h2><p>Press S to search.</p><main><h1>Oil</h1><p>Colza oil burns brightly.</p></main>",
        ".html",
    )
    assert shown(parsed) == [
        ("heading", "Site"),
        ("furniture", "Keys"),
        ("furniture", "Press S to search."),
        ("heading", "Oil"),
        ("prose", "Colza oil burns brightly."),
    ]
    assert parsed.title == "Oil"
    assert path_of(parsed, "Colza") == ("Oil",)


def test_bare_links_around_the_text_are_furniture_and_lists_of_links_in_it_are_not() -> None:
    links = "".join(f"<li><a href=x>Page {n}</a></li>" for n in range(6))
    parsed = read(f"<ul>{links}</ul><h1>Reading</h1><p>Before.</p><ul>{links}</ul><p>After.</p>", ".html")
    kinds = [kind for kind, text in shown(parsed) if text.startswith("Page")]
    assert kinds == ["furniture"] * 6 + ["item"] * 6


def test_tables_of_data_become_rows() -> None:
    parsed = read(
        """<table><caption>Sizes</caption><tr><th rowspan=2>Lamp<th colspan=2>Size</tr><tr><th>width<th>height</tr>
        <tr><td rowspan=2>Port<td>1<td>2</tr><tr><td>3<td>4</tr></table>
        <table><tr><th>Built:<td>1815</tr><tr><th>Lit<td>1816</tr></table>
        <table><tr><td>Left column<td><h2>Right</h2>column</tr></table>""",
        ".html",
    )
    assert shown(parsed) == [
        ("prose", "Sizes"),
        ("row", "Lamp: Port; Size width: 1; Size height: 2."),
        ("row", "Lamp: Port; Size width: 3; Size height: 4."),
        ("row", "Built: 1815."),
        ("row", "Lit: 1816."),
        ("prose", "Left column"),
        ("heading", "Right"),
        ("prose", "column"),
    ]


def test_the_declared_encoding_and_the_title_element() -> None:
    page = "<meta charset=koi8-r><title>Лампа</title><p>Смотритель"
    assert read(page.encode("koi8-r"), ".html").title == "Лампа"
    assert read("<?xml version='1.0' encoding='utf-8'?><html><body>é", ".html").text == "é"


def test_xhtml_elements_that_close_themselves() -> None:
    page = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x"/></head><body><a id="t"/><p>Lit.</p>'
    )
    assert shown(read(page, ".xhtml")) == [("prose", "Lit.")]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ('<!DOCTYPE h [<!ENTITY a "aaaa">]><html xmlns="http://www.w3.org/1999/xhtml"><p>&a;</p></html>', "xml_entity"),
        ('<!DOCTYPE h [<!ENTITY c SYSTEM "file:///etc/hostname">]><html>&c;</html>', "xml_entity"),
        ("<div>" * 100_000 + "deep", "parser_limit"),
        ("<p>" + "x" * 11_000_000, "parser_limit"),
        ("<table>" + ("<tr>" + "<td rowspan=999 colspan=999>x" * 9) * 200, "parser_limit"),
        ("<html><body></body></html>", "empty"),
        ("<!-- -->", "empty"),
        ("%PDF-1.7", "type_mismatch"),
    ],
)
def test_reasons(page: str, reason: str) -> None:
    assert skip_reason(page, ".html") == reason
