"""Nothing that a document or a file name holds is obeyed by the terminal that shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api import terminal
from api.doctor import Finding
from index.types import IngestReport, Skipped
from rag.answer import final
from rag.types import Question
from tests.api.conftest import Footnotes
from tests.conftest import World

OPENED = "When was the harbour opened?"
EVIL = "a\x1b[31mred\x07[bold]:ship:[/bold]\u202etxt.exe\r\x9b2J\nPublished generation 000666"


def harmless(out: str) -> None:
    assert not set(out) & {"\x1b", "\x07", "\r", "\x9b", "\u202e"}
    assert "[bold]:ship:[" in out  # as it is written: no markup, no emoji
    assert not any(line.startswith("Published generation 000666") for line in out.splitlines())


def test_a_report_on_hostile_names(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    report = IngestReport(
        generation="000002",
        published=True,
        added=(EVIL,),
        renamed=((EVIL, EVIL),),
        skipped=(Skipped(EVIL, "unsupported", EVIL),),
        warnings=((EVIL, EVIL),),
    )
    terminal.show_report(report, plan=False, as_json=False)
    harmless(capsys.readouterr().out)
    terminal.show_report(report, plan=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["added"] == [EVIL]


def test_an_answer_out_of_hostile_documents(
    make_world: Callable[..., World],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / f"{EVIL.replace('/', '')}.txt").write_text(
        "The harbour [red]was[/red] opened at :ship: noon \x1b[2J in 1911."
    )
    world = make_world(folder)
    world.build()
    for question in (OPENED, "Who was crowned king of Sweden?"):
        terminal.show_answer(final(world.footnote.ask(Question(question))), as_json=False)
        out = capsys.readouterr().out
        harmless(out)
        assert "The harbour [red]was[/red] opened at :ship: noon" in out
    generation, hits = world.footnote.search(OPENED, 3)
    terminal.show_hits(generation, OPENED, hits, as_json=False)
    harmless(capsys.readouterr().out)
    terminal.show_findings([Finding(EVIL, "note", EVIL)], as_json=False)
    harmless(capsys.readouterr().out)


def test_an_error_about_a_hostile_name(footnote: Footnotes, tmp_path: Path) -> None:
    ran = footnote("eval", "run", "a[bold]:ship:[/bold]\x1b[31m")
    assert "\x1b" not in ran.err
    assert "a[bold]:ship:[/bold]" in ran.err
