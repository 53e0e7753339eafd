from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from api.settings import Settings
from tests.api.conftest import Footnotes, Indexed, Ran, own, sentence
from tests.conftest import World

ROOT = Path(__file__).resolve().parents[2]
OPENED = "When was the harbour opened?"


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
