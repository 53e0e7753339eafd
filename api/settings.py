"""Settings: read once, here, from FOOTNOTE_* variables and footnote.toml; frozen, and passed on as values.

Variables win over the file, and options on the command line over both."""

from __future__ import annotations

import ipaddress
import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx2
from limits import parse
from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from index.encode import DEFAULT_MODEL, Runtime
from index.errors import FootnoteError
from rag.answer import AnswerOptions
from rag.prompt import prompts_hash
from rag.write import WriteOptions


class SettingsError(FootnoteError):
    """A setting has a value it cannot have."""


_NO_ENDPOINT = "it is not an address such as http://127.0.0.1:11434/v1"


def _is_endpoint(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or " " in url):
        raise ValueError(_NO_ENDPOINT)
    try:  # what neither the client of HTTP nor the resolver takes would fail every question, and not as an LLM does
        httpx2.URL(url)
        (parts.hostname or "").encode("idna")
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise ValueError(_NO_ENDPOINT) from error
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("it holds more than an address; a key belongs into llm_api_key")
    _ = parts.port  # raises ValueError where it is none
    return url


def _is_header(key: SecretStr) -> SecretStr:
    if not all(" " < character <= "~" for character in key.get_secret_value()):
        raise ValueError("it has blanks or characters that a header cannot hold")
    return key


LlmUrl = Annotated[str, AfterValidator(_is_endpoint)]
ApiKey = Annotated[SecretStr, AfterValidator(_is_header)]


class Settings(BaseSettings):
    """Every setting has a line in README.md; ``footnote settings`` lists them with their values."""

    model_config = SettingsConfigDict(
        env_prefix="FOOTNOTE_", toml_file="footnote.toml", frozen=True, extra="forbid", validate_default=True
    )

    source: Path = Field(Path("seeds"), description="folder of documents")
    data: Path = Field(Path("data"), description="where the index is kept")
    host: str = Field("127.0.0.1", description="address the server listens on")
    port: int = Field(8000, ge=0, le=65535, description="port the server listens on")
    encoder: str = Field(
        DEFAULT_MODEL, description="sentence-transformers model: the default, a folder or a cached name"
    )
    runtime: Runtime = Field(
        "auto", description="what runs the encoder: onnxruntime, openvino (an extra) or torch; auto is torch on a GPU"
    )
    passage_tokens: int = Field(0, ge=0, description="longest passage in encoder tokens; 0 for the encoder's window")
    passages: int = Field(8, ge=1, le=50, description="passages retrieved for a question unless it says k")
    reader: bool = Field(True, description="read the passages found with the model that ships; false is faster")
    reranker: str = Field("", description="sentence-transformers CrossEncoder that orders passages: a folder or name")
    checker: str = Field("", description="CrossEncoder trained for NLI that checks sentences; llm for the LLM")
    min_confidence: float = Field(
        AnswerOptions().min_confidence,
        ge=0,
        le=1,
        description="below this confidence Footnote abstains; unless it is set, what footnote eval calibrate found",
    )
    llm_url: LlmUrl = Field("", description="OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1")
    llm_model: str = Field("", description="model to ask there")
    llm_api_key: ApiKey = Field(SecretStr(""), description="key that the endpoint wants; never shown")
    llm_timeout_s: float = Field(
        WriteOptions().timeout_s, gt=0, le=600, description="seconds an LLM has for one answer"
    )
    llm_idle_s: float = Field(20.0, gt=0, le=600, description="seconds an LLM may be silent")
    llm_max_tokens: int = Field(WriteOptions().max_tokens, ge=16, le=8_000, description="tokens an LLM may write")
    llm_context_tokens: int = Field(
        WriteOptions().context_tokens, ge=1, le=200_000, description="o200k tokens of passages that an LLM is given"
    )
    llm_unsupported: Literal["remove", "mark"] = Field(
        WriteOptions().unsupported, description="what becomes of written sentences that are not borne out"
    )
    llm_at_once: int = Field(8, ge=1, le=256, description="questions that wait for an LLM beside each other")
    gate_suite: str = Field("", description="suite that a new index must pass before it is published: a name or folder")
    max_file_mb: int = Field(50, ge=1, description="larger files are skipped")
    max_text_chars: int = Field(20_000_000, ge=1, description="files with a longer text are skipped")
    max_pages: int = Field(5_000, ge=1, description="pages read of a PDF")
    max_memory_mb: int = Field(0, ge=0, description="memory that a build may take, in MiB; 0 for no bound")
    check_room: bool = Field(True, description="refuse a build when the disk seems to have too little room for it")
    parse_memory_mb: int = Field(1_024, ge=256, description="memory one file may take to read; beyond it is skipped")
    parse_cpu_s: int = Field(30, ge=1, description="seconds of computing one file may take to read")
    parse_wall_s: int = Field(45, ge=1, description="seconds one file may take to read")
    threads: int = Field(0, ge=0, description="encoder threads while indexing; 0 for one a core")
    max_waiting: int = Field(128, ge=1, description="questions waiting for a core before new ones are refused (503)")
    require_key: bool = Field(False, description="ask for an API key on a loopback address too")
    rate_limit: str = Field("", description="requests by one key or address, as 60/minute; empty for no limit")
    compute_s_per_minute: float = Field(
        0, ge=0, le=100_000, description="seconds of computing a minute for one key or address; 0 for no limit"
    )
    max_concurrent_per_key: int = Field(
        64, ge=0, description="requests of one key or address answered at a time; 0 for no limit"
    )
    request_timeout_s: int = Field(120, ge=1, description="a request that takes longer is ended")
    remote_key: SecretStr = Field(SecretStr(""), description="API key that eval run --url sends")
    watch: bool = Field(False, description="rebuild when the source folder changes")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least serious log line written"
    )

    @field_validator("request_timeout_s")
    @classmethod
    def _leaves_time_to_quote(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("llm_url") and value <= info.data.get("llm_timeout_s", 0):
            raise ValueError("it must be more than llm_timeout_s, or nobody hears of an LLM that took too long")
        return value

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, value: str) -> str:
        if value:
            try:
                parse(value)
            except ValueError as error:
                raise ValueError("write it as 60/minute") from error
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def needs_key(self) -> bool:
        """Whether who asks must have a key: always where another machine could ask."""
        return self.require_key or not is_loopback(self.host)

    @property
    def settings_hash(self) -> str:
        """Names everything that decides what an answer is, 12 hex digits."""
        deciding: dict[str, Any] = {
            "encoder": self.encoder,
            "runtime": self.runtime,
            "passage_tokens": self.passage_tokens,
            "passages": self.passages,
            "reader": self.reader,
            "reranker": self.reranker,
            "min_confidence": self.min_confidence,
        }
        if self.llm_url:  # without one, runs go on comparing with those made before there was any
            written = ("llm_url", "llm_model", "llm_max_tokens", "llm_context_tokens", "llm_unsupported", "checker")
            deciding |= {"prompts": prompts_hash(), **{name: getattr(self, name) for name in written}}
        return sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:12]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on ``host``. A name other than localhost may mean any address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_settings(**overrides: Any) -> Settings:
    """Settings with ``overrides`` (None means not given) on top. Raises SettingsError naming the setting."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"The setting {name!r} is not valid ({first['msg']}).",
            remedy="Set it as FOOTNOTE_" + name.upper() + " or in footnote.toml; footnote settings lists them all.",
        ) from error
    except ValueError as error:  # footnote.toml is not TOML
        raise SettingsError(f"footnote.toml cannot be read ({error}).", remedy="Mend or remove it.") from error
