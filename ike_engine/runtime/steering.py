"""Which socket of a port takes a datagram: classic BPF on an SO_REUSEPORT group (socket(7)).

Port 4500 carries IKE behind a non-ESP marker and ESP in UDP (RFC 3948 section 2); port 500 carries
IKE alone. IKE belongs to the shard that owns the SA, ESP to the esp process when ESP is done in
user space. The kernel can tell by looking at the first octets, long before a process wakes up:

    IKE, cookies of both sides set    the first octet of the responder's SPI, modulo the shards
    IKE, first message                the initiator's SPI, modulo the shards
    ESP                               the socket after those of the shards

A shard draws responder SPIs whose first octet, modulo the number of shards, is its own number.
So an SA keeps its shard when its peer floats from 500 to 4500 or moves behind its NAT.

The sockets of a group are numbered in the order of binding. When one is closed the last takes its
number: whoever steers keeps all of them open.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_SO_ATTACH_REUSEPORT_CBPF = 51  # <asm-generic/socket.h>

# <linux/bpf_common.h>: instruction classes, sizes and modes, put together.
_LOAD_WORD = 0x20  # A = 4 octets at k, big-endian; beyond the end the program gives 0
_LOAD_OCTET = 0x30
_LOAD_LENGTH = 0x80  # A = octets of the datagram
_JUMP = 0x05
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_MODULO = 0x94
_RETURN = 0x06
_RETURN_A = 0x16

_MARKER_OCTETS = 4


class Instruction(NamedTuple):
    """One ``struct sock_filter``: code, jumps when true and when false, and the operand k."""

    code: int
    on_true: int = 0
    on_false: int = 0
    operand: int = 0


def program(*, shards: int, marked: bool, esp: bool = False) -> tuple[Instruction, ...]:
    """Give the program of one port's group.

    Args:
        shards: Number of IKE sockets; they are the first of the group.
        marked: IKE has the non-ESP marker in front: the port is that of NAT-T.
        esp: One more socket, behind those of the shards, takes the ESP.

    Raises:
        ValueError: no shards, more than an octet can name, or ESP without markers.
    """
    if not 1 <= shards <= 256:
        raise ValueError(f"{shards} shards: the first octet of an SPI names 1 to 256")
    if esp and not marked:
        raise ValueError("only where IKE is marked can ESP be told from it")
    initiator_spi = _MARKER_OCTETS if marked else 0
    responder_spi = initiator_spi + 8
    choose_shard = (
        Instruction(_LOAD_WORD, operand=responder_spi),
        Instruction(_JUMP_EQUAL, on_false=4),  # -> first octet of the responder's SPI
        Instruction(_LOAD_WORD, operand=responder_spi + 4),
        Instruction(_JUMP_EQUAL, on_false=2),
        Instruction(_LOAD_WORD, operand=initiator_spi + 4),
        Instruction(_JUMP, operand=1),
        Instruction(_LOAD_OCTET, operand=responder_spi),
        Instruction(_MODULO, operand=shards),
        Instruction(_RETURN_A),
    )
    if not esp:
        return choose_shard
    return (
        # What is too short for either (a keepalive, 0xff) goes to an IKE socket, which counts and drops it.
        Instruction(_LOAD_LENGTH),
        Instruction(_JUMP_AT_LEAST, on_false=2, operand=_MARKER_OCTETS),
        Instruction(_LOAD_WORD),
        Instruction(_JUMP_EQUAL, on_false=1),
        Instruction(_JUMP, operand=1),
        Instruction(_RETURN, operand=shards),
        *choose_shard,
    )


def steer(group: Sequence[socket.socket], instructions: Sequence[Instruction]) -> None:
    """Attach the program to the group that the bound sockets ``group`` make up; takes effect at once.

    Raises:
        OSError: the sockets share no port, or the kernel refuses the program.
    """
    code = b"".join(struct.pack("@HBBI", *instruction) for instruction in instructions)
    kept = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: the number of instructions and where they lie
    fprog = struct.pack("@HP", len(instructions), ctypes.addressof(kept))
    group[0].setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, fprog)
