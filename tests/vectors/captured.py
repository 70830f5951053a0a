"""Handshakes of real clients, captured and decrypted, each message with what an independent decoder read in it.

The keys in the files are those of throw-away gateways of a laboratory; the user is alice / s3cret.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CapturedMessage:
    """One datagram, without the non-ESP marker.

    ``chain`` is what follows the header, decrypted; ``padding`` how many octets of it are no payload;
    ``payloads`` the decoder's (name, details). ``is_whole`` is False for a first IP fragment.
    """

    name: str
    datagram: bytes
    chain: bytes
    padding: int
    payloads: tuple[tuple[str, Any], ...]
    exchange_type: int
    message_id: int
    is_whole: bool

    def __str__(self) -> str:
        return self.name


@functools.cache
def handshake(name: str) -> dict[str, Any]:
    """One file as it is: "keys", "hash" and "messages"."""
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    return loaded


HANDSHAKES = ("nat-aggressive", "nat-main-strongswan-gw", "vpnc-hybrid")


def messages() -> tuple[CapturedMessage, ...]:
    """All messages of all handshakes."""
    found = []
    for name in HANDSHAKES:
        for number, message in enumerate(handshake(name)["messages"], 1):
            datagram = bytes.fromhex(message["hex"])
            found.append(
                CapturedMessage(
                    name=f"{name}-{number:02}",
                    datagram=datagram,
                    chain=bytes.fromhex(message["plain"]) if "plain" in message else datagram[28:],
                    padding=message.get("pad", 0),
                    payloads=tuple((kind, details) for kind, details in message["payloads"]),
                    exchange_type=message["exch"],
                    message_id=int(message["mid"], 16),
                    is_whole=len(datagram) == message["len"],
                )
            )
    return tuple(found)


MESSAGES = messages()
WHOLE_MESSAGES = tuple(message for message in MESSAGES if message.is_whole)
