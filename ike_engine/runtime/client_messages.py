"""What the client process and its keeper say to each other, as JSON datagrams on a ``SOCK_SEQPACKET`` pair.

    keeper -> client     the ``ClientOrder`` first, then Answered, Leave
    client -> keeper     Asked, Connected, and in the end Ended

The client process reads the network, the keeper has privilege: so the keeper believes nothing. It
takes addresses, networks and printable text, and nothing else.
"""

from __future__ import annotations

import enum
import json
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from ike_engine.actions import Prompt
from ike_engine.dataplane.fields import plain
from ike_engine.secret import Secret

LARGEST: Final = 65_536
_MOST: Final = 1_024
_LONGEST_TEXT: Final = 8_192


class Ending(enum.Enum):
    """How a stay ended."""

    DISCONNECTED = "disconnected"  # we wanted it
    LOST = "lost"  # the gateway fell silent, or ended it
    UNREACHABLE = "unreachable"  # there never was an answer
    REFUSED = "refused"  # by the gateway
    NOT_BELIEVED = "not-believed"  # the gateway did not prove that it is the right one
    FAILED = "failed"  # anything else


@dataclass(frozen=True, slots=True)
class Asked:
    """The gateway asks for something more: show ``message`` and have the user answer."""

    number: int
    message: str
    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The tunnel is up on the wire; its packets still need an address and routes.

    Attributes:
        address: Our virtual IP.
        networks: What the Child SA carries.
        excluded: What is to stay outside although everything goes through.
        split_dns: Domains whose names the servers are for; empty: all.
        gateway: The gateway's identity, as it proved it.
        remote: Its address and port.
        banner: What it wants users to read.
    """

    address: IPv4Address
    networks: tuple[IPv4Network, ...]
    excluded: tuple[IPv4Network, ...]
    dns: tuple[IPv4Address, ...]
    domain: str
    split_dns: tuple[str, ...]
    banner: str
    gateway: str
    remote: str
    mode: str
    authentication: str
    ike_suite: str
    esp_suite: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more will come."""

    ending: Ending
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the user typed."""

    number: int
    secret: Secret


@dataclass(frozen=True, slots=True)
class Leave:
    """Say goodbye to the gateway and end."""


Said = Asked | Connected | Ended
"""By the client process."""

Told = Answered | Leave
"""By its keeper."""


def open_pair() -> tuple[socket.socket, socket.socket]:
    """Make the keeper's end and the client's end."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


# ---- what the client says -----------------------------------------------------------------------


def encode_said(message: Said) -> bytes:
    """Give the datagram."""
    match message:
        case Asked(number, text, prompt):
            said: dict[str, Any] = {"asked": number, "message": text, "prompt": prompt.value}
        case Connected():
            said = {
                "address": str(message.address),
                **{name: list(map(str, getattr(message, name))) for name in ("networks", "excluded", "dns")},
                "split-dns": list(message.split_dns),
                **{name: getattr(message, name) for name in _TEXTS},
            }
        case Ended(ending, reason, remedy):
            said = {"ended": ending.value, "reason": reason, "remedy": remedy}
    return json.dumps(said, ensure_ascii=False).encode()


_TEXTS: Final = ("domain", "banner", "gateway", "remote", "mode", "authentication", "ike_suite", "esp_suite")


def decode_said(datagram: bytes) -> Said:
    """Read what the client process said.

    Raises:
        ValueError: it is not exactly one well-formed message.
    """
    match plain(datagram):
        case {"asked": int(number), "message": str(message), "prompt": str(prompt), **others} if not others:
            return Asked(number, _shown(message), Prompt(prompt))
        case {"ended": str(ending), "reason": str(reason), "remedy": str(remedy), **others} if not others:
            return Ended(Ending(ending), _shown(reason), _shown(remedy))
        case {
            "address": str(address),
            "networks": list(networks),
            "excluded": list(excluded),
            "dns": list(dns),
            "split-dns": list(split_dns),
            **texts,
        } if texts.keys() == set(_TEXTS):
            return Connected(
                address=IPv4Address(address),
                networks=tuple(map(IPv4Network, _texts(networks))),
                excluded=tuple(map(IPv4Network, _texts(excluded))),
                dns=tuple(map(IPv4Address, _texts(dns))),
                split_dns=tuple(map(_domain, _texts(split_dns))),
                **{name: (_domain if name == "domain" else _shown)(_text(texts[name])) for name in _TEXTS},
            )
        case _:
            raise ValueError("not a message of a client process")


def _texts(values: list[object]) -> list[str]:
    if len(values) > _MOST:
        raise ValueError(f"{len(values)} values; {_MOST} is the most")
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError("not a text, or too long a one")
    return value


def _shown(text: str) -> str:
    """Without what moves a terminal's cursor or changes its colours."""
    return "".join(character for character in _text(text) if character.isprintable() or character == "\n")


def is_domain(name: str) -> bool:
    """Whether it is a domain name, fit for the files and command lines of resolvers."""
    return name[:1].isalnum() and all(c.isascii() and (c.isalnum() or c in ".-_") for c in name)


def _domain(name: str) -> str:
    if name and not is_domain(name):
        raise ValueError(f"{name!r} is no domain name")
    return name


# ---- what the keeper says -----------------------------------------------------------------------


def encode_told(message: Told) -> bytes:
    """Give the datagram."""
    match message:
        case Answered(number, secret):
            return json.dumps({"answered": number, "secret": secret.decode("latin-1")}).encode()
        case Leave():
            return b'{"leave": true}'


def decode_told(datagram: bytes) -> Told:
    """Read what the keeper said; for what our own keeper wrote."""
    match json.loads(datagram):
        case {"answered": int(number), "secret": str(secret)}:
            return Answered(number, Secret(secret.encode("latin-1")))
        case {"leave": True}:
            return Leave()
        case _:
            raise ValueError("not a message of a client's keeper")
