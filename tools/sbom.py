"""Writes what Footnote runs with as a CycloneDX 1.6 document: every locked distribution and every model it carries.

    make sbom

Nothing in it depends on when or where it is made, so that two of the same version are equal byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.lockfile import ROOT, Locked, canonical, read

_CARRIED = ("index/data", "rag/data")  # of package-data: models and the ranks of a tokenizer
_NAMESPACE = uuid.UUID("6a2c11c9-93c7-4e8b-9d2e-0f1f6a4f6b1d")  # any, but the same each time


def bom(root: Path = ROOT) -> dict[str, Any]:
    """The document, as JSON has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    locked = {line.name: line for line in read("runtime", "torch", folder=root / "lock")}
    (cpu,) = read("torch-cpu", folder=root / "lock")
    torch = locked["torch"]  # one component, whichever of its builds is installed
    locked["torch"] = replace(torch, hashes=tuple(sorted({*torch.hashes, *cpu.hashes})))
    direct = sorted({canonical(re.split(r"[\s=<>~!;\[]", wanted)[0]) for wanted in project["dependencies"]})
    components = [_distribution(line) for line in locked.values()] + list(_carried(root))
    itself = f"pkg:pypi/{project['name']}@{project['version']}"
    serial = uuid.uuid5(_NAMESPACE, json.dumps([itself, components], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": itself,
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": project["license"]}}],
                "purl": itself,
            }
        },
        "components": components,
        "dependencies": [{"ref": itself, "dependsOn": [_purl(locked[name]) for name in direct]}],
    }


def _distribution(line: Locked) -> dict[str, Any]:
    """One distribution; its hashes are those of its wheels, one for each platform and Python."""
    return {
        "type": "library",
        "bom-ref": _purl(line),
        "name": line.name,
        "version": line.version,
        "scope": "optional" if line.marker else "required",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in line.hashes],
        "purl": _purl(line),
    }


def _purl(line: Locked) -> str:
    return f"pkg:pypi/{line.name}@{line.version}"


def _carried(root: Path) -> Iterator[dict[str, Any]]:
    """The files that come along in the wheel and decide what an answer is."""
    for folder in _CARRIED:
        for path in sorted((root / folder).iterdir()):
            if path.is_file():
                name = path.relative_to(root).as_posix()
                yield {
                    "type": "machine-learning-model" if path.suffix == ".onnx" else "file",
                    "bom-ref": f"file:{name}",
                    "name": name,
                    "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
                }


def main() -> int:
    print(json.dumps(bom(), indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
