from __future__ import annotations

from typing import Any

import eval as package

SURFACE = """
MEASURES Case Estimate Evidence Gate GateResult Record ResolvedCase ResolvedSuite Suite SuiteError Summary ask_cases
check_gates load_suite read_records resolve run_suite summarise summary_json to_json write_reports
"""


def test_the_public_surface_is_this_list() -> None:
    assert package.__all__ == SURFACE.split()
    missing: Any = [name for name in package.__all__ if not hasattr(package, name)]
    assert missing == []
