"""The only door to tantivy: words, their inverse document frequency, and BM25.

Queries are built term by term and never parsed, so ``AND ( " * :`` in a question is text like any other.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import tantivy

from index.disk import let_shortage_pass
from index.errors import CorruptGeneration
from index.linking import link
from index.manifest import REBUILD

# Two fields: what stands in the passage, and what stands above it (title and headings).
_TEXT, _ABOVE, _ROW = "text", "above", "row"
_ABOVE_BOOST = 0.5  # a heading's word says less about the sentence asked for than the passage's own
_ANALYZER = "footnote"
_WRITER_BYTES = 64_000_000
_PROBE_BYTES = 1_000_000
_FEW_ROWS = 1_000  # so many are looked up one by one, which takes half the time of a set of them; 5,000 thrice as long
_FEW_MATCHES = 4  # so many for each of a few rows asked for are looked at sooner than tantivy picks out the rows

# Words that a question is asked with, not about. Answer selection and abstention look at the rest.
STOP_WORDS = frozenset(
    """a about above after again against all also am an and any are as at be because been before being below between
    both but by can could did do does doing done down during each either else ever few for from further get gets give
    got had has have having he her here hers herself him himself his how however i if in into is it its itself just
    let like many may me might more most much must my myself no nor not now of off on once only or other our ours
    ourselves out over own please same she should so some such tell than that the their theirs them themselves then
    there these they this those through to too under until up us very was we were what when where whether which while
    who whom whose why will with within without would you your yours yourself yourselves""".split()  # noqa: SIM905
)  # as a list it would take two hundred lines
_WITHIN_WORDS = re.compile(
    "[\u00ad\u200b-\u200d\u2060]"
)  # soft hyphens, joiners, blanks of no width: not ends of words
_APOSTROPHES = re.compile(r"[’`´]")


def _analyzer() -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in (
        tantivy.Filter.remove_long(60),
        tantivy.Filter.lowercase(),
        tantivy.Filter.ascii_fold(),
        tantivy.Filter.stemmer("English"),
    ):
        builder = builder.filter(step)
    return builder.build()


_ANALYSE = _analyzer()
_STOP_TERMS = frozenset(term for word in STOP_WORDS for term in _ANALYSE.analyze(word)) | {"s", "t"}


def terms(text: str) -> list[str]:
    """The index terms of ``text``, in order: words lowered, folded to ASCII and stemmed.

    >>> terms("The soldiers' running")
    ['the', 'soldier', 'run']
    """
    return list(_ANALYSE.analyze(_APOSTROPHES.sub("'", _WITHIN_WORDS.sub("", text))))


def content_terms(text: str) -> list[str]:
    """The distinct terms of ``text`` that carry meaning, in order; all of them when every one is a stop word."""
    every = list(dict.fromkeys(terms(text)))
    return [term for term in every if term not in _STOP_TERMS] or every


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(_TEXT, stored=False, tokenizer_name=_ANALYZER, index_option="freq")
    builder.add_text_field(_ABOVE, stored=False, tokenizer_name=_ANALYZER, index_option="freq")
    builder.add_unsigned_field(_ROW, stored=False, indexed=True, fast=True)
    return builder.build()


def write(folder: Path, passages: Iterable[tuple[int, str, str]]) -> None:
    """Write a BM25 index of ``(row, text, above)`` into the new ``folder``."""
    with _disk_asked(folder):
        folder.mkdir()
        _change(folder, passages)


def extend(previous: Path, folder: Path, gone: Iterable[int], passages: Iterable[tuple[int, str, str]]) -> None:
    """Write into the new ``folder`` what ``previous`` holds, without the rows ``gone`` and with ``passages``.

    tantivy never changes a segment's file, so those are linked, and the cost is that of the change."""
    with _disk_asked(folder):
        folder.mkdir()
        for path in previous.iterdir():
            if path.suffix == ".json":  # the lists of segments and files, which are rewritten
                shutil.copyfile(path, folder / path.name)
            elif path.suffix != ".lock":
                link(path, folder / path.name)
        _change(folder, passages, gone)


@contextmanager
def _disk_asked(folder: Path) -> Iterator[None]:
    """tantivy's threads keep to themselves what they died of. When it was the disk, the disk says so once more."""
    try:
        yield
    except ValueError:
        (folder / "probe").write_bytes(bytes(_PROBE_BYTES))
        (folder / "probe").unlink()
        raise


def _change(folder: Path, passages: Iterable[tuple[int, str, str]], gone: Iterable[int] = ()) -> None:
    index = tantivy.Index(_schema(), path=str(folder))
    index.register_tokenizer(_ANALYZER, _analyzer())
    writer = index.writer(heap_size=_WRITER_BYTES, num_threads=1)  # one thread: the same input, the same order
    if rows := list(gone):
        writer.delete_documents_by_query(tantivy.Query.term_set_query(_schema(), _ROW, rows))
    for row, text, above in passages:
        document = tantivy.Document()
        document.add_text(_TEXT, _WITHIN_WORDS.sub("", text))
        document.add_text(_ABOVE, _WITHIN_WORDS.sub("", above))
        document.add_unsigned(_ROW, row)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()


@contextmanager
def _whole() -> Iterator[None]:
    """The files are mapped: what is damaged in them after they were checked is met here. tantivy raises ValueError at
    it, or panics, which is no Exception and would end more than the request."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, ValueError) and type(error).__name__ != "PanicException":
            raise
        let_shortage_pass(error)
        raise CorruptGeneration("The lexical index cannot be read.", remedy=REBUILD) from error


def _idf(count: int, frequency: int) -> float:
    """Lucene's, which is never negative."""
    return math.log(1.0 + (count - frequency + 0.5) / (frequency + 0.5))


def _searcher(folder: Path) -> tantivy.Searcher:
    index = tantivy.Index(_schema(), path=str(folder))
    index.register_tokenizer(_ANALYZER, _analyzer())
    index.config_reader(reload_policy="manual")  # else a thread looks at the folder twice a second
    index.reload()
    return index.searcher()


class LexicalIndex:
    """BM25 over passages, read-only. ``k1 = 1.2`` and ``b = .75`` are tantivy's, as Lucene's."""

    def __init__(self, folder: Path) -> None:
        self._schema = _schema()
        with _whole():
            try:
                self._searcher = _searcher(folder)
            except ValueError as error:
                let_shortage_pass(error)
                # tantivy makes a file to lock wherever it opens an index. Where none can be made, it is given a folder
                # of links, which may go once the files are open.
                with TemporaryDirectory(prefix="footnote-lexical-") as links:
                    for path in folder.iterdir():
                        if path.suffix != ".lock":
                            (Path(links) / path.name).symlink_to(path.resolve())
                    self._searcher = _searcher(Path(links))
        # What is removed from a segment stays counted in how common a word is until the segment is merged. That is
        # made up for in _weighed; in the mean length of a passage it is not.
        segments = json.loads((folder / "meta.json").read_text("utf-8"))["segments"]
        self._n_counted = sum(int(segment["max_doc"]) for segment in segments)
        self._is_worn = self._n_counted > len(self)

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def idf(self, term: str) -> float:
        """BM25's inverse document frequency of ``term`` in passages' text; highest for a term that never occurs."""
        return _idf(len(self), self._frequency(_TEXT, term))

    def _frequency(self, field: str, term: str) -> int:
        """How many passages hold ``term`` in ``field``."""
        with _whole():
            if not self._is_worn:
                return int(self._searcher.doc_freq(field, term))
            held = self._searcher.search(self._term(field, term), limit=1, count=True)
            return int(held.count or 0)

    def search(
        self, query: Sequence[str], k: int, rows: Sequence[int] | None = None, without: Sequence[int] = ()
    ) -> list[tuple[int, float]]:
        """The ``k`` best ``(row, BM25)`` for the terms ``query``, best first, among ``rows`` when given, and none of
        ``without``."""
        clauses = []
        for term in query:
            clauses += [self._weighed(_TEXT, term, 1.0), self._weighed(_ABOVE, term, _ABOVE_BOOST)]
        return self._best(query, clauses, k, rows, without)

    def coverage(self, query: Sequence[str], rows: Sequence[int]) -> list[tuple[int, float]]:
        """``(row, share)`` for those of ``rows`` that hold a term of ``query``, in their text or above it, best first:
        the share of the query's terms that are held, each weighing its idf, in (0, 1].

        What BM25 is with k1 = 0 and b = 0: how often a term stands there, and how long the passage is, do not count."""
        weights = {term: self.idf(term) for term in query}
        clauses = [
            tantivy.Query.const_score_query(tantivy.Query.disjunction_max_query(self._held(term)), weight)
            for term, weight in weights.items()
        ]
        whole = sum(weights.values())
        return [(row, score / whole) for row, score in self._best(query, clauses, len(rows), rows)]

    def _held(self, term: str) -> list[tantivy.Query]:
        return [self._term(field, term) for field in (_TEXT, _ABOVE)]

    def _term(self, field: str, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, term, "freq")

    def _weighed(self, field: str, term: str, weight: float) -> tantivy.Query:
        """Scores as if the passages that are gone had never been counted in the term's idf."""
        if self._is_worn:
            with _whole():
                counted = int(self._searcher.doc_freq(field, term))
            weight *= _idf(len(self), self._frequency(field, term)) / _idf(self._n_counted, counted)
        return tantivy.Query.boost_query(self._term(field, term), weight) if weight != 1.0 else self._term(field, term)

    def _any_of(self, rows: Sequence[int]) -> tantivy.Query:
        if len(rows) > _FEW_ROWS:
            return tantivy.Query.term_set_query(self._schema, _ROW, list(rows))
        each = (tantivy.Query.term_query(self._schema, _ROW, row, "basic") for row in rows)
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, one) for one in each])

    def _best(
        self,
        query: Sequence[str],
        clauses: Sequence[tantivy.Query],
        k: int,
        rows: Sequence[int] | None,
        without: Sequence[int] = (),
    ) -> list[tuple[int, float]]:
        """The ``k`` rows with the highest sum of the clauses that match, each a term of ``query``, among ``rows`` when
        given."""
        if not clauses or k < 1 or (rows is not None and not rows):
            return []
        found = tantivy.Query.boolean_query([(tantivy.Occur.Should, clause) for clause in clauses])
        few = 0 if rows is None else _FEW_MATCHES * min(len(rows), _FEW_ROWS)
        if rows is not None and (most := self._most_matches(query)) <= few:
            wanted = frozenset(rows).difference(without)
            return [(row, score) for row, score in self._ranked(found, most) if row in wanted][:k]
        if rows is not None:
            among = tantivy.Query.const_score_query(self._any_of(rows), 0.0)
            found = tantivy.Query.boolean_query([(tantivy.Occur.Must, found), (tantivy.Occur.Must, among)])
        if without:
            left_out = (tantivy.Occur.MustNot, self._any_of(without))
            found = tantivy.Query.boolean_query([(tantivy.Occur.Must, found), left_out])
        return self._ranked(found, k)

    def _most_matches(self, query: Sequence[str]) -> int:
        """At least as many as there are passages with a term of ``query``, in their text or above it."""
        with _whole():
            return sum(int(self._searcher.doc_freq(field, term)) for field in (_TEXT, _ABOVE) for term in query)

    def _ranked(self, query: tantivy.Query, k: int) -> list[tuple[int, float]]:
        if not k:
            return []
        with _whole():
            hits = self._searcher.search(query, limit=k, count=False).hits
            addresses = [address for _, address in hits]
            values = self._searcher.fast_field_values(_ROW, addresses) if addresses else []
            if None in values:
                raise ValueError("a passage without a row")
            scored = [(int(row), float(score)) for (score, _), row in zip(hits, values, strict=True)]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0]))
