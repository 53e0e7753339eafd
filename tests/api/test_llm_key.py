"""The key for an LLM's endpoint is never shown."""

from __future__ import annotations

import pytest

from api import terminal
from api.settings import Settings, load_settings
from index.errors import FootnoteError

KEY = "sk-a-secret-0123456789"


def test_the_key_is_never_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_LLM_API_KEY", KEY)
    settings = load_settings(llm_url="http://127.0.0.1:1/v1")
    assert settings.llm_api_key.get_secret_value() == KEY
    for as_json in (True, False):
        terminal.show_settings(settings, Settings, as_json=as_json)
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err + repr(settings) + settings.settings_hash


@pytest.mark.parametrize(
    ("name", "value"),
    [("llm_api_key", f"{KEY}\nX-Evil: 1"), ("llm_api_key", f"{KEY}é"), ("llm_url", f"https://user:{KEY}@example.org/v1"),
     ("llm_url", f"https://example.org/v1?key={KEY}"), ("llm_url", "ftp://example.org"), ("llm_url", "http://"),
     ("llm_url", "http://example.org:port/v1"), ("llm_url", f"http://{KEY * 4}.example/v1"),
      ("llm_url", "http://a..b/v1"), ("llm_url", f"http://a\x7f{KEY}/v1"), ("llm_url", f"http://a\t{KEY}/v1"),
      ("llm_url", "http://a/" + "v" * 70_000)],
)  # fmt: skip
def test_a_key_or_address_that_cannot_be_is_refused_without_repeating_it(name: str, value: str) -> None:
    with pytest.raises(FootnoteError) as raised:
        load_settings(**{name: value})
    assert KEY not in str(raised.value)
    assert name in str(raised.value)


def test_an_endpoint_is_shown_without_its_key() -> None:
    from rag.llm import Endpoint as Address

    assert KEY not in repr(Address("http://127.0.0.1:1/v1", "m", KEY))
