"""Haystack: its splitter, its embedders and its store in memory, joined by hand as its pipeline would."""

from __future__ import annotations

from typing import Any

from haystack import Document
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)


class System:
    packages = ("haystack-ai", "sentence-transformers-haystack", "sentence-transformers", "torch")

    def __init__(self, job: dict[str, Any]) -> None:
        self._splitter = DocumentSplitter()
        self._embedder = SentenceTransformersDocumentEmbedder(model=job["model"], progress_bar=False)
        self._asker = SentenceTransformersTextEmbedder(model=job["model"], progress_bar=False)
        for part in (self._splitter, self._embedder, self._asker):
            part.warm_up()

    def index(self, documents: list[tuple[str, str]]) -> int:
        whole = [Document(content=text, meta={"source": source}) for source, text in documents]
        parts = self._embedder.run(documents=self._splitter.run(documents=whole)["documents"])["documents"]
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        store.write_documents(parts)
        self._retriever = InMemoryEmbeddingRetriever(store)
        return len(parts)

    def retrieve(self, question: str, k: int) -> list[tuple[str, str]]:
        vector = self._asker.run(text=question)["embedding"]
        found = self._retriever.run(query_embedding=vector, top_k=k)["documents"]
        return [(document.meta["source"], document.content) for document in found]
