"""A checker of the user's choice: any CrossEncoder that was trained to tell entailment from contradiction (NLI)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag.cross_encoder import fingerprint_of, load
from rag.errors import CheckerError
from rag.verify import NOTHING_TO_JUDGE, Judgement

_WINDOW, _STEP = 5, 3  # sentences read together, and from one window's beginning to the next one's


class NliChecker:
    """Supported when some stretch of the text entails the sentence; contradicted when none does and one contradicts."""

    def __init__(self, name: str) -> None:
        """Raises CheckerError when there is no such model, or its labels do not say which is entailment."""
        remedy = "Name a folder that holds a CrossEncoder trained for NLI, or unset FOOTNOTE_CHECKER."
        self._model = load(name, what="checker", error=CheckerError, remedy=remedy)
        labels = {str(label).lower(): int(i) for i, label in self._model.model.config.id2label.items()}
        found = {
            kind: next((i for label, i in labels.items() if label.startswith(kind)), -1)
            for kind in ("entail", "contradict")
        }
        if min(found.values()) < 0:
            raise CheckerError(
                f"The labels of the checker {name!r} are {', '.join(labels)}.",
                remedy="Name a model whose labels say entailment and contradiction.",
            )
        self._entailed, self._contradicted = found["entail"], found["contradict"]
        self.fingerprint = fingerprint_of(self._model)

    def verify(self, sentence: str, evidence: Sequence[str]) -> Judgement:
        evidence = [one for one in evidence if one.strip()]
        if not sentence.strip() or not evidence:
            return NOTHING_TO_JUDGE
        starts = range(0, max(1, len(evidence) - _WINDOW + _STEP), _STEP)
        pairs = [(" ".join(evidence[at : at + _WINDOW]), sentence) for at in starts]
        logits = np.asarray(self._model.predict(pairs, show_progress_bar=False, convert_to_numpy=True))
        logits = logits.reshape(len(pairs), -1)  # (n_windows, n_labels)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        entailed, contradicted = float(shares[:, self._entailed].max()), float(shares[:, self._contradicted].max())
        if entailed >= 0.5:
            return Judgement("supported", entailed, "the text entails it")
        if contradicted >= 0.5:
            return Judgement("contradicted", entailed, "the text contradicts it")
        return Judgement("unsupported", entailed, "the text does not entail it")
