"""Changes bytes at random, as a fuzzer does that does not look at what they do."""

from __future__ import annotations

import random
from collections.abc import Sequence

# What parsers treat in a way of their own: signs of formats, numbers at their edges, code points that are not letters.
_WORDS = (
    b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[31m", b"\r", b"\n\n", b"%PDF-", b"PK\x03\x04", b"PK\x05\x06",
    b"<!DOCTYPE", b"<![CDATA[", b"<!ENTITY a '&a;'>", b"&#0;", b"&#xD800;", b"&#x110000;", b"<p>", b"</p>", b"<table>",
    b"-1", b"0", b"999999999999999999999", b"1e309", b"NaN", b'"', b"'", b",", b"\t", b"[", b"](", b"```", b"# ", b"- ",
    b"|", b"=?utf-8?B?", b"Content-Type: multipart/mixed; boundary=x\n", b"--x", b"charset=none", b"\xe2\x80\xae",
    b"\xed\xa0\x80", b"\xf0\x9f\x9a\xa2", b"\xe3\x80\x82", b"\xc2\xad", b"\xc2\x85", b"\xe2\x80\xa8", b"Dr. ", b". a",
    b"stream\n", b"/Kids", b"endobj",
)  # fmt: skip


def mutated(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the seeds after one to eight changes."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((1, 1, 2, 4, 16, 64, 512)))
        match chance.randrange(8):
            case 0 if start < len(data):
                data[start] ^= 1 << chance.randrange(8)
            case 1:
                data[start:end] = chance.randbytes(end - start)
            case 2:
                del data[start:end]
            case 3:
                data[start:start] = data[start:end] * chance.choice((1, 2, 50))
            case 4:
                data[start:start] = chance.choice(_WORDS) * chance.choice((1, 1, 1, 40))
            case 5:
                data[start:end] = chance.choice(_WORDS)
            case 6:
                other = chance.choice(seeds)
                cut = chance.randrange(len(other) + 1)
                data[start:start] = other[cut : cut + 256]
            case _:
                del data[start:]
                data += b"" if chance.random() < 0.8 else chance.choice(seeds)[start:]
    return bytes(data)
