"""What GET /v1/settings tells, and what it keeps to itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from api.routes.settings import shown
from api.settings import Settings
from tests.api.conftest import Connect
from tests.conftest import World


def test_every_setting_is_told_and_no_path_of_the_machine(
    make_world: Callable[..., World], connect: Connect, folder: Path, tmp_path: Path
) -> None:
    world = make_world(folder, gate_suite=str(tmp_path / "suites" / "mine"), passages=5)
    response = connect(world.footnote).get("/v1/settings")
    entries = {entry["name"]: entry for entry in response.json()["settings"]}
    assert list(entries) == list(Settings.model_fields)
    assert entries["source"]["value"] == folder.name
    assert entries["gate_suite"]["value"] == "mine"
    assert (entries["passages"]["value"], entries["passages"]["given"]) == (5, True)
    assert (entries["max_pages"]["value"], entries["max_pages"]["given"]) == (5000, False)
    assert all(entry["description"] for entry in entries.values())
    assert str(tmp_path) not in response.text


class Extended(Settings):
    """Kinds of settings that there may be one day."""

    spare_api_key: str = Field("", description="key")
    keys: SecretStr = Field(SecretStr(""), description="keys")
    people: tuple[str, ...] = Field((), description="of a kind not thought of")
    spare_url: str = Field("", description="address")
    spare_max_tokens: int = Field(100, description="a number, although of tokens")


def test_a_secret_is_never_told(tmp_path: Path) -> None:
    settings = Extended(
        source=tmp_path,
        spare_api_key="hush-1",
        keys=SecretStr("hush-2"),
        people=("hush-3",),
        spare_url="http://ann:hush-4@127.0.0.1:8080/v1?key=hush-5",
    )
    entries = {entry.name: entry for entry in shown(settings)}
    assert [name for name, entry in entries.items() if entry.secret] == [
        "llm_api_key", "remote_key", "spare_api_key", "keys", "people"
    ]  # fmt: skip
    assert entries["spare_api_key"].given
    assert entries["spare_url"].value == "http://127.0.0.1:8080"
    assert entries["spare_max_tokens"].value == 100
    assert "hush" not in str(entries)


@pytest.mark.parametrize(
    ("set_to", "told"),
    [
        ("/srv/models/mine", "mine"),
        ("~/models/mine", "mine"),
        ("C:\\models\\mine", "mine"),
        ("\\\\host\\share\\mine", "mine"),
        ("people/model-v2", "people/model-v2"),
        ("", ""),
    ],
)
def test_of_a_model_in_a_folder_only_the_folders_name_is_told(set_to: str, told: str) -> None:
    (entry,) = [entry for entry in shown(Settings(reranker=set_to)) if entry.name == "reranker"]
    assert entry.value == told
