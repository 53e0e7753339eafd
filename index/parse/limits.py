"""How much of one file a parser takes on. Beyond a limit a file is skipped, or read in part with a warning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one file; the defaults are generous for anything a person wrote."""

    max_text_chars: int = 20_000_000  # beyond: skipped, text_too_large
    max_segments: int = 1_000_000  # paragraphs, items and rows; beyond: skipped, parser_limit
    max_passages: int = 20_000  # made of its text; beyond: skipped, passage_cap
    max_pages: int = 5_000  # of a PDF; beyond: the first ones, with a warning
    max_rows: int = 500_000  # of a sheet or a CSV file; beyond: the first ones, with a warning
    max_columns: int = 20_000  # of a row; beyond: skipped, parser_limit (a spreadsheet ends at 16,384)
    max_zip_bytes: int = 200_000_000  # declared size of all entries together; beyond: skipped, zip_ratio
    max_zip_ratio: int = 200  # declared size over size in the archive; beyond: skipped, zip_ratio
    max_zip_entries: int = 20_000  # beyond: skipped, zip_ratio
