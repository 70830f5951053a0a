"""Identities as the ID payload carries them (RFC 2407 section 4.6.2.1)."""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass
from typing import Self

from cryptography import x509


class IdType(enum.IntEnum):
    """Identification types (RFC 2407 section 4.6.2.1); IKEv2 kept the numbers it still has."""

    IPV4_ADDR = 1
    FQDN = 2
    USER_FQDN = 3
    IPV4_ADDR_SUBNET = 4
    IPV6_ADDR = 5
    IPV6_ADDR_SUBNET = 6
    IPV4_ADDR_RANGE = 7
    IPV6_ADDR_RANGE = 8
    DER_ASN1_DN = 9
    DER_ASN1_GN = 10
    KEY_ID = 11


@dataclass(frozen=True, slots=True)
class Identification:
    """An identity: its type number and its octets as they travel.

    ``kind`` is a plain int so that a number that we do not know is kept as it came.
    """

    kind: int
    data: bytes

    @classmethod
    def fqdn(cls, name: str) -> Self:
        """A host name."""
        return cls(IdType.FQDN, name.encode())

    @classmethod
    def user_fqdn(cls, name: str) -> Self:
        """A name of the form ``user@domain``."""
        return cls(IdType.USER_FQDN, name.encode())

    @classmethod
    def key_id(cls, name: str) -> Self:
        """An opaque name, as the Cisco client sends its group."""
        return cls(IdType.KEY_ID, name.encode())

    @classmethod
    def distinguished_name(cls, subject: x509.Name) -> Self:
        """The subject of a certificate."""
        return cls(IdType.DER_ASN1_DN, subject.public_bytes())

    def __str__(self) -> str:
        """What an administrator would write; never raises on a peer's octets."""
        try:
            if self.kind in (IdType.IPV4_ADDR, IdType.IPV6_ADDR):
                return str(ipaddress.ip_address(self.data))
            if self.kind == IdType.IPV4_ADDR_SUBNET:
                return str(
                    ipaddress.ip_network(
                        f"{ipaddress.IPv4Address(self.data[:4])}/{ipaddress.IPv4Address(self.data[4:])}", strict=False
                    )
                )
            if self.kind == IdType.DER_ASN1_DN:
                text = x509.Name.from_bytes(self.data).rfc4514_string()
            else:
                text = self.data.decode("utf-8", "replace")
        except (TypeError, ValueError):  # TypeError: how cryptography says that a value is not of its attribute's type
            return self.data.hex()
        return text if text.isprintable() else self.data.hex()
