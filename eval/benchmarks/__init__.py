"""Public sets as folders of documents and suites of questions, so that what is measured on them is the product itself.

No data lies here: each set is read from files that someone has fetched. docs/quality.md names their sources."""

from eval.benchmarks.load import BENCHMARKS, load_benchmark
from eval.benchmarks.quality import Outcome, Result, Row, outcomes, tabulate, with_quoted
from eval.benchmarks.types import Benchmark, Values

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "Outcome",
    "Result",
    "Row",
    "Values",
    "load_benchmark",
    "outcomes",
    "tabulate",
    "with_quoted",
]
