"""Twelve towns, each a document with facts of its own, and a suite about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import World

TOWNS = ("Lund", "York", "Kazan", "Turin", "Bergen", "Porto", "Ghent", "Tartu", "Basel", "Split", "Cadiz", "Nantes")
FACTS = """
The bridge over the gorge was designed by Ilse Brandt in 1911. | Barley beer was brewed by monks until 1803.
The opera was closed by fire inspectors in 1887. | The university has nine yellow electric trams.
Copper was mined by convicts in 1640. | A comet was seen by Olaf Holm in 1744.
The zoo on the hill has 14 penguins. | Paper was milled by refugees in 1590.
Salt was taxed by the bishop in 1322. | The marathon was won by Ada Quist in 1979.
The deep canal was filled by glaciers in 1444. | The orphanage was closed by decree in 1955.
Fine lace was sewn by widows in 1820. | The observatory on the roof has eleven telescopes.
Whales were hunted by crews in 1700. | A cinema was founded by Pia Lind in 1921.
The vineyard was planted by nuns in 1390. | Chess was banned by the council in 1610.
The polder was drained by windmills in 1777. | The cathedral organ was tuned by Jan Mey in 1866.
Amber was traded by nomads in 990. | The stadium was painted by fans in 1999.
Tulips were planted by gardeners in 1633. | The grey prison has five paved courtyards.
""".strip().split("\n")


def write_towns(folder: Path) -> None:
    folder.mkdir()
    for n, (town, facts) in enumerate(zip(TOWNS, FACTS, strict=True)):
        (folder / f"{town}.txt").write_text("\n\n".join((town, bells(n), *facts.split(" | "))) + "\n")


def bells(n: int) -> str:
    return f"The tower of {TOWNS[n]} has {30 + n} old bells of bronze."


def suite_about(towns: World, folder: Path) -> str:
    cases: list[dict[str, Any]] = []
    for n, town in enumerate(TOWNS):
        cases += [
            {"id": f"bells-{town}", "question": f"How many bells has the tower of {town}?", "answerable": True,
             "answers": [str(30 + n)], "evidence": [{"source": f"{town}.txt", "quote": bells(n)}]},
            {"id": f"queen-{town}", "question": f"Which queen danced in the snow of {town}?", "answerable": False},
        ]  # fmt: skip
    folder.mkdir()
    (folder / "suite.toml").write_text(f'name = "towns"\nsource = {json.dumps(str(towns.source))}\n')
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    return str(folder)
