"""LangChain: its FAISS store over characters cut by RecursiveCharacterTextSplitter."""

from __future__ import annotations

from typing import Any

from langchain_community.vectorstores import FAISS
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter


class System:
    packages = ("langchain-community", "langchain-text-splitters", "langchain-huggingface", "sentence-transformers",
                "faiss-cpu", "torch")  # fmt: skip

    def __init__(self, job: dict[str, Any]) -> None:
        self._embeddings = HuggingFaceEmbeddings(model_name=job["model"])
        self._splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)

    def index(self, documents: list[tuple[str, str]]) -> int:
        pieces = self._splitter.create_documents(
            [text for _, text in documents], [{"source": source} for source, _ in documents]
        )
        self._store = FAISS.from_documents(pieces, self._embeddings)
        return len(pieces)

    def retrieve(self, question: str, k: int) -> list[tuple[str, str]]:
        found = self._store.similarity_search(question, k=k)
        return [(document.metadata["source"], document.page_content) for document in found]
