"""python -m api.offline_probe SOURCE DATA ENCODER: index, ask and evaluate with sockets blocked.

Prints one line that says what was done; exits with 1 when anything tried to reach the network."""

from __future__ import annotations

import sys
from pathlib import Path

from api import offline


def main(source: str, data: str, encoder: str) -> int:
    offline.block()  # before anything else is imported: imports may call home too
    from api.compose import Footnote
    from api.evaluating import evaluate_with, small_suite
    from api.settings import load_settings
    from index.encode import fingerprint_of, is_exportable, model_folder, resolve
    from rag.answer import final
    from rag.types import Question

    settings = load_settings(source=Path(source), data=Path(data), encoder=encoder, llm_url="")
    folder, runtime = model_folder(encoder), resolve(settings.runtime)
    if folder is not None and runtime != "torch" and is_exportable(folder):
        # In this process, so that the export too is made with sockets blocked.
        from index.export import export

        export(folder, Path(data) / "encoders" / fingerprint_of(folder, runtime)[:16], runtime)
    footnote = Footnote(settings, in_child=False)
    report = footnote.rebuild(lambda *_: None)
    given = final(footnote.ask(Question("What is this about?")))
    summary = evaluate_with(footnote, small_suite(footnote), None)
    footnote.close()
    if offline.attempts:
        sys.stdout.write(f"tried to reach {', '.join(sorted(set(offline.attempts)))}\n")
        return 1
    sys.stdout.write(
        f"with sockets blocked: {report.documents} documents indexed, a question answered"
        f" ({'abstained' if given.abstained else f'{len(given.citations)} citations'}),"
        f" {summary.cases} cases evaluated; nothing tried to reach the network\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
