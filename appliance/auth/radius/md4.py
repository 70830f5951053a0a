"""MD4 (RFC 1320), which MS-CHAPv2 hashes passwords with and OpenSSL no longer gives. Good for nothing else."""

from __future__ import annotations

import struct
from typing import Final

_WORD: Final = 0xFFFFFFFF
_ORDERS: Final = (
    tuple(range(16)),
    (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
    (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
)
_SHIFTS: Final = ((3, 7, 11, 19), (3, 5, 9, 13), (3, 9, 11, 15))
_CONSTANTS: Final = (0, 0x5A827999, 0x6ED9EBA1)


def md4(message: bytes) -> bytes:
    """Give the 16 octets of the digest (section 3)."""
    padding = b"\x80" + bytes((55 - len(message)) % 64)
    padded = message + padding + struct.pack("<Q", len(message) * 8)
    state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
    for start in range(0, len(padded), 64):
        state = _block(state, struct.unpack("<16I", padded[start : start + 64]))
    return struct.pack("<4I", *state)


def _block(state: tuple[int, int, int, int], x: tuple[int, ...]) -> tuple[int, int, int, int]:
    a, b, c, d = state
    for number, order in enumerate(_ORDERS):
        for step, k in enumerate(order):
            mixed = (a + _mix(number, b, c, d) + x[k] + _CONSTANTS[number]) & _WORD
            shift = _SHIFTS[number][step % 4]
            a, b, c, d = d, (mixed << shift | mixed >> (32 - shift)) & _WORD, b, c
    aa, bb, cc, dd = state
    return (a + aa) & _WORD, (b + bb) & _WORD, (c + cc) & _WORD, (d + dd) & _WORD


def _mix(number: int, x: int, y: int, z: int) -> int:
    """The functions F, G and H of section 3.4."""
    if number == 0:
        return x & y | ~x & z
    if number == 1:
        return x & y | x & z | y & z
    return x ^ y ^ z
