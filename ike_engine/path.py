"""Between which two UDP ends a datagram travels."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """An IP address in text and a UDP port."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Path(NamedTuple):
    """Our end, the peer's end, and whether this is the NAT-T flow (RFC 3948 section 2.2).

    On the NAT-T flow the runtime strips and adds the 4-octet non-ESP marker; the core never sees it.
    """

    local: Address
    remote: Address
    nat_t: bool
