"""Tells of words that a person does not see and a program reads. They are kept, because a citation must show what
stands in the document, and every document that has them is noted in the ingest report."""

from __future__ import annotations

import re
from collections import Counter

# Tags (which spell ASCII unseen), invisible operators, supplementary variation selectors (bits of any message) and what
# turns the direction of writing. Joiners and the selectors of emoji belong to ordinary text.
_UNSEEN = re.compile("[\U000e0000-\U000e007f\u2061-\u2064\U000e0100-\U000e01ef\u202a-\u202e\u2066-\u2069]")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")  # a flag of a region is spelt in tags


def note_of_unicode(text: str) -> str:
    """What to say of a text's unseen characters; "" when it has none."""
    if text.isascii() or not _UNSEEN.search(text):
        return ""
    count = len(_UNSEEN.findall(_FLAG.sub("", text)))
    return f"hidden_unicode: {count} characters that are not seen" if count else ""


def note_of_text(found: Counter[str], place: str = "") -> str:
    """What to say of words that are laid out so as not to be seen: ``found`` counts them by how; "" for none."""
    if not found:
        return ""
    ways = ", ".join(f"{count} {way}" for way, count in sorted(found.items()))
    return f"hidden_text: {place}{ways}"
