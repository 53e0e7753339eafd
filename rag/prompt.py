"""What an LLM is sent: the prompts, which are files, and texts made harmless and put between fences.

A document may hold anything, so what it says to the LLM is data by three means: the rules say so, each request has a
fence of its own that no document can know, and what a model's template could take for its own marks is broken up.
None of them is trusted: whatever is written in return is checked against the documents."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from string import Template

from index.tokens import count_tokens
from index.types import Hit, Passage
from rag.select import path_above

NAMES = ("answer", "judge", "question", "rewrite")
MAX_PER_DOCUMENT = 3  # passages; the rest of the window is for other documents

# Not seen and yet read by a model: controls, directions and their overrides, zero widths, tags, and the variation
# selectors that only ideographs use. Joiners stay, for emoji and for scripts that need them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_BREAK = re.compile("[\u0085\u2028\u2029]|\r\n?")
# What templates of chat models are made of: <|im_start|>, </s>, <start_of_turn>, [INST], <<SYS>>, <think>, and
# DeepSeek's wide bars.
_MARK = re.compile(
    r"<(?=[|｜<]|/?(?:s|bos|eos|pad|unk|mask|think|tool\w*|function\w*|system|user|assistant|start_of_\w+|end_of_\w+)\s*>)"
    r"|(?<=[|｜])>"
    r"|\[(?=/?(?:INST|SYS\w*|AVAILABLE_TOOLS|TOOL_\w+|system|user|assistant)\])",
    re.IGNORECASE,
)
_FENCE_LINE = re.compile(r"^(\s*)(BEGIN|END)(?=\s+[0-9a-f]{16})", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(r"\[(\^?\d{1,4}(?:\s*[,;–-]\s*\d{1,4})*)\]")  # a document's own footnotes would be taken for ours
_SPACED = {"<": "< ", ">": " >", "[": "[ "}


def visible(text: str) -> str:
    """``text`` without characters that nobody sees; line ends are \\n."""
    return _UNSEEN.sub("", _BREAK.sub("\n", text))


def harmless(text: str) -> str:
    """``text`` as it is sent to an LLM: no unseen characters, special tokens and fences broken up, [1] written (1).

    What is cited is never this text: citations are cut out of the stored one."""
    shown = _FENCE_LINE.sub(r"\1\2 -", visible(text))
    while (broken := _MARK.sub(lambda found: _SPACED[found.group()], shown)) != shown:
        shown = broken  # breaking one up can bring another about
    return _NUMBER.sub(r"(\1)", shown)


def new_fence() -> str:
    """16 hex digits that no document can know."""
    return secrets.token_hex(8)


@cache
def _template(name: str) -> str:
    return resources.files("rag").joinpath(f"prompts/{name}.txt").read_text("utf-8")


@cache
def prompts_hash() -> str:
    """Names the wording of all prompts, 16 hex digits."""
    return sha256("\0".join(_template(name) for name in NAMES).encode()).hexdigest()[:16]


def prompt(name: str, **values: str) -> str:
    """The prompt in rag/prompts/NAME.txt with its $values."""
    return Template(_template(name)).substitute(values)


@dataclass(frozen=True, slots=True)
class Context:
    """Passages as an LLM reads them. Passage number n is ``passages[n - 1]``."""

    passages: tuple[Passage, ...]
    fence: str
    text: str
    tokens: int  # of o200k_base


def make_context(hits: Sequence[Hit], fence: str, budget: int) -> Context:
    """The best of ``hits`` that cost at most ``budget`` o200k_base tokens together, at most MAX_PER_DOCUMENT of one
    document, numbered from 1, best first. One that does not fit is left out whole."""
    passages: list[Passage] = []
    texts: list[str] = []
    spent = 0
    taken: dict[str, int] = {}
    for hit in hits:
        document = hit.passage.document.text_sha256  # copies of a document count as one
        if taken.get(document, 0) == MAX_PER_DOCUMENT:
            continue
        text = fenced(_with_headings(hit.passage), f"{fence} {len(passages) + 1}")
        cost = count_tokens(text)
        if spent + cost > budget:
            continue
        spent += cost
        passages.append(hit.passage)
        texts.append(text)
        taken[document] = taken.get(document, 0) + 1
    return Context(tuple(passages), fence, "\n".join(texts), spent)


def fenced(text: str, label: str) -> str:
    """``text``, made harmless, between the lines of the fence ``label``."""
    return f"BEGIN {label}\n{harmless(text).strip()}\nEND {label}\n"


def _with_headings(passage: Passage) -> str:
    above = path_above(passage)
    return f"({above})\n{passage.text}" if above else passage.text
