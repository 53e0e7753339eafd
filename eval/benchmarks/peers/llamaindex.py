"""LlamaIndex: a VectorStoreIndex with its own splitter, over its FAISS store."""

from __future__ import annotations

from typing import Any

import faiss
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.faiss import FaissVectorStore


class System:
    packages = ("llama-index-core", "llama-index-embeddings-huggingface", "llama-index-vector-stores-faiss",
                "sentence-transformers", "faiss-cpu", "torch")  # fmt: skip

    def __init__(self, job: dict[str, Any]) -> None:
        self._embeddings = HuggingFaceEmbedding(model_name=job["model"])

    def index(self, documents: list[tuple[str, str]]) -> int:
        dimensions = len(self._embeddings.get_text_embedding("dimensions"))
        store = FaissVectorStore(faiss_index=faiss.IndexFlatL2(dimensions))
        self._index = VectorStoreIndex.from_documents(
            [Document(text=text, metadata={"source": source}) for source, text in documents],
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=self._embeddings,
        )
        return len(self._index.docstore.docs)

    def retrieve(self, question: str, k: int) -> list[tuple[str, str]]:
        found = self._index.as_retriever(similarity_top_k=k).retrieve(question)
        return [(hit.node.metadata["source"], hit.node.get_content()) for hit in found]
