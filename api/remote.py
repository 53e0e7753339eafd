"""A running server, asked over HTTP as evaluations ask an index."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx2

from eval.codec import from_json
from index.errors import FootnoteError
from rag.types import Answer, Question

_TIMEOUT_S = 60.0


class RemoteError(FootnoteError):
    """A server did not answer, or not as Footnote does."""


class Remote:
    """What a server at ``url`` answers from and with. Close it after use."""

    def __init__(self, url: str, client: httpx2.Client | None = None, *, key: str = "") -> None:
        """``key`` is sent to a server that needs one. ``client`` is for tests: it reaches an application without a
        socket."""
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = client or httpx2.Client(base_url=self.url, timeout=_TIMEOUT_S, headers=headers)

    def ask(self, question: Question) -> Answer:
        """Raises RemoteError, so that a question that fails is a failed case and not the end of a run."""
        body = {
            "question": question.text,
            "messages": [{"role": turn.role, "content": turn.content} for turn in question.messages],
            "k": question.k,
            "documents": list(question.documents),
            "without": list(question.without),
            **({"mode": question.mode} if question.mode else {}),
        }
        answer = self._json("POST", "/v1/ask", body)
        try:
            return from_json(Answer, answer)
        except (TypeError, KeyError, ValueError) as error:
            raise RemoteError(
                f"{self.url} answers in another form ({error}).", remedy="Use its own version."
            ) from error

    def texts(self) -> dict[str, tuple[str, str]]:
        """Source -> (document id, canonical text) of all that is indexed."""
        listed = self._json("GET", "/v1/documents")["documents"]
        return {one["source"]: (one["document_id"], self._text(one["document_id"])) for one in listed}

    def context(self) -> dict[str, str]:
        """What tells a run against this server from another."""
        index = self._json("GET", "/v1/index")
        return {
            "generation": str(index["generation"]),
            "model_fingerprint": str(index["encoder"]["fingerprint"]),
            "min_confidence": f"{float(index['min_confidence']):g}",
            "url": self.url,
        }

    def close(self) -> None:
        self._client.close()

    def _text(self, document_id: str) -> str:
        return self._sent("GET", f"/v1/documents/{quote(document_id)}/text").content.decode()

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._sent(method, path, body).json()
        except ValueError as error:
            raise RemoteError(f"{self.url}{path} is not JSON.", remedy="Is it a Footnote server?") from error

    def _sent(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        try:
            response = self._client.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise RemoteError(
                f"{self.url} cannot be reached ({type(error).__name__}).", remedy="Start it: footnote serve."
            ) from error
        if response.status_code != 200:
            raise RemoteError(f"{self.url}{path} says {response.status_code}: {response.text[:200]}")
        return response
