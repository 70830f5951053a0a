"""A gateway of our engine on loopback, for clients in this process or in one of their own."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ike_engine.actions import (
    Accepted,
    Authenticate,
    Challenge,
    Configuration,
    Configure,
    Prompt,
    Question,
    Rejected,
)
from ike_engine.crypto.signatures import PrivateKey
from ike_engine.dataplane.none import NoDataPlane
from ike_engine.endpoint import Endpoint
from ike_engine.identities import Identification
from ike_engine.path import Address
from ike_engine.policy import Authentication, IkeProposal, LocalIdentity, Policy, Profile
from ike_engine.runtime.client_order import ClientOrder
from ike_engine.runtime.shard import Shard
from ike_engine.runtime.udp import UdpSocket, bind
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ike_engine.events import Event
    from tests.interop.lab.authority import Authority

NAME = "vpn.example.net"
PASSWORD, PASSCODE = "analytical engine", "271828"
SUITE = "aes128-sha256-ecp256"
CONFIGURATION = Configuration(
    address=IPv4Address("10.77.0.2"),
    dns=(IPv4Address("10.1.0.53"),),
    domain="office.example.net",
    split_include=(IPv4Network("10.1.0.0/16"),),
    split_dns=("office.example.net", "not; a name"),
    banner="Welcome\x1b[2J",
)


class Gateway:
    """Lets ``ada`` in by her password; ``grace`` is asked for a passcode, too."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority.file.read_text()
        self.events: list[Event] = []
        self.configuration = CONFIGURATION
        credential = authority.issue(NAME, server=True)
        certificate = x509.load_pem_x509_certificate(credential.certificate.read_bytes())
        profile = Profile(
            name="staff",
            authentication=frozenset({Authentication.HYBRID_RSA, Authentication.XAUTH_PSK}),
            identity=LocalIdentity(
                identification=Identification.fqdn(NAME),
                certificates=(certificate.public_bytes(Encoding.DER),),
                private_key=PrivateKey.from_pem(credential.key.read_bytes()),
            ),
            pre_shared_key=Secret(b"group key"),
            ike_proposals=(IkeProposal.from_text(SUITE),),
        )
        self._plain, self._nat_t = (UdpSocket(bind(Address("127.0.0.1", 0)), nat_t=nat_t) for nat_t in (False, True))
        self._shard = Shard(
            Endpoint(
                Policy(profiles=(profile,), force_encapsulation=True),
                entropy=os.urandom,
                wall_clock=lambda: dt.datetime.now(dt.UTC),
            ),
            plain=self._plain,
            nat_t=self._nat_t,
            data_plane=NoDataPlane(),
            answer=self._answer,
            on_event=self.events.append,
        )
        self.command = self._shard.command
        self.close = self._shard.close
        self._shard.start()

    @property
    def keepalives(self) -> int:
        """How many NAT keepalives came."""
        return self._nat_t.counters.keepalives

    def of(self, kind: type) -> list[Any]:
        """Give the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def hears(self, kind: type) -> list[Any]:
        """Wait for an event of a kind: what a client sends last it does not wait for; give all that there are."""
        async with asyncio.timeout(60):
            while not (found := self.of(kind)):  # noqa: ASYNC110  a list has no event
                await asyncio.sleep(0.01)
        return found

    def order(self, **changed: object) -> ClientOrder:
        """A login that is good, or what the test makes of it."""
        good = ClientOrder(
            user="ada",
            password=Secret(PASSWORD.encode()),
            gateway="127.0.0.1",
            port=self._plain.local.port,
            nat_t_port=self._nat_t.local.port,
            gateway_name=NAME,
            authorities=self.authority,
            ike_proposals=(SUITE,),
        )
        return replace(good, **changed)  # type: ignore[arg-type]

    async def _answer(self, question: Question[Any]) -> object:
        match question:
            case Authenticate(password=password) if password != PASSWORD.encode():
                return Rejected("wrong password")
            case Authenticate(username="grace", answer=None):
                return Challenge("What does your token show?", Prompt.PASSCODE, state=1)
            case Authenticate(username="grace", answer=answer) if answer != PASSCODE.encode():
                return Rejected("wrong passcode")
            case Authenticate(username=name):
                return Accepted(name)
            case Configure():
                return self.configuration
        raise ValueError(f"no answer to {question!r}")


REFUSALS: Iterable[tuple[dict[str, Any], str, str]] = (
    # changed in a good order, how the stay ends, what is said of it
    ({"password": Secret(b"difference engine")}, "refused", "refused the login"),
    ({"user": "grace", "password": Secret(b"COBOL")}, "refused", "refused the login"),
    ({"gateway_name": "vpn.example.com"}, "not-believed", "vpn.example.com"),
    ({"ike_proposals": ("aes256-sha512-ecp521",)}, "refused", "NO-PROPOSAL-CHOSEN"),
)
"""Logins that fail. A foreign authority makes one more."""
