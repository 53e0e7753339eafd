"""footnote mcp: the MCP server as a child process of its client."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

import anyio

from api.compose import Footnote
from api.gate import Gate
from api.metrics import Metrics
from api.state import State
from index.errors import FootnoteError


class McpMissing(FootnoteError):
    """The extra that footnote mcp needs is not installed."""


def run(footnote: Footnote, *, update: bool = True) -> None:
    """Serve until the client closes standard input. Raises McpMissing.

    The client is greeted at once; an index that is missing is built before the first tool answers, one that is there
    is brought up to date meanwhile."""
    if find_spec("mcp") is None:
        raise McpMissing(
            "The MCP SDK is not installed.", remedy="Install the extra where Footnote is: pip install '.[mcp]'."
        )
    from api.mcp_server import run_stdio

    state = State(footnote, Gate(footnote.settings.max_waiting), Metrics(footnote))
    anyio.run(run_stdio, state, partial(_begin, footnote, update), partial(_wait, footnote))


def _begin(footnote: Footnote, update: bool) -> None:
    if update or not footnote.has_index():
        footnote.jobs.start()


def _wait(footnote: Footnote) -> None:
    """For the first index, which is being built; with one, a build goes on beside the questions."""
    if not footnote.has_index():
        footnote.jobs.wait()
