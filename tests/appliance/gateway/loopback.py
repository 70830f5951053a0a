"""A whole gateway and a real client (our own initiator) over the loopback interface."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from sqlalchemy import select

from appliance import models
from appliance.gateway.service import Gateway
from appliance.gateway.surroundings import Surroundings
from appliance.models import CertificatePurpose
from ike_engine.actions import Connect, Credentials, Disconnect
from ike_engine.dataplane.none import NoDataPlane
from ike_engine.endpoint import Endpoint
from ike_engine.events import Event, PeerConnected
from ike_engine.path import Address, Path
from ike_engine.policy import Authentication, EspProposal, IkeProposal, LocalIdentity, Phase1Mode, Policy, Profile
from ike_engine.runtime.shard import Shard
from ike_engine.runtime.udp import UdpSocket, bind
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appliance.installation import Installation
    from ike_engine.actions import Question

T = TypeVar("T")


def sockets(ip: str, ports: tuple[int, int] = (0, 0)) -> tuple[UdpSocket, UdpSocket]:
    """Give a pair for the two ports of IKE."""
    plain, nat_t = ports
    return UdpSocket(bind(Address(ip, plain)), nat_t=False), UdpSocket(bind(Address(ip, nat_t)), nat_t=True)


class Served(NamedTuple):
    """Where a gateway listens, and what ends it."""

    plain: Address
    nat_t: Address
    stop: asyncio.Event


@asynccontextmanager
async def serving(
    installation: Installation, data_plane: NoDataPlane | None = None, *, ports: tuple[int, int] = (0, 0)
) -> AsyncIterator[Served]:
    """Run a gateway until the block ends, then stop it as SIGTERM does."""
    plain, nat_t = sockets("127.0.0.1", ports)
    surroundings = Surroundings(
        plain=plain,
        nat_t=nat_t,
        data_plane=data_plane or NoDataPlane(),
        data_plane_name="none",
        data_plane_reason="this is a test",
    )
    gateway, stop = Gateway(installation, surroundings), asyncio.Event()
    running = asyncio.create_task(gateway.run(stop))
    try:
        yield Served(plain.local, nat_t.local, stop)
    finally:
        stop.set()
        await running


async def authority(installation: Installation) -> bytes:
    """Give the certificate that a client has to know."""
    async with installation.database.snapshot() as session:
        found = await session.scalar(
            select(models.Certificate.certificate).where(models.Certificate.purpose == CertificatePurpose.AUTHORITY)
        )
    assert found is not None
    return found


@dataclass
class Client:
    """Clients of one address: each ``connect`` is a device of its own.

    Attributes:
        identity: Proves them by a certificate; otherwise only the gateway proves itself.
        gateway_name: What the gateway's certificate has to be for.
    """

    gateway: Served
    anchor: bytes
    ip: str = "127.0.0.2"
    identity: LocalIdentity | None = None
    gateway_name: str = "vpn.example.org"
    events: list[Event] = field(default_factory=list)
    shard: Shard = field(init=False)
    plain: UdpSocket = field(init=False)
    nat_t: UdpSocket = field(init=False)

    async def __aenter__(self) -> Self:
        self.plain, self.nat_t = sockets(self.ip)
        self.shard = Shard(
            Endpoint(Policy(), entropy=os.urandom, wall_clock=lambda: datetime.now(UTC)),
            plain=self.plain,
            nat_t=self.nat_t,
            data_plane=NoDataPlane(),
            answer=self._answer,
            on_event=self.events.append,
        )
        self.shard.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shard.close()

    async def _answer(self, question: Question[Any]) -> Secret:
        raise AssertionError(f"nobody is there to answer {question}")

    def connect(self, user: str, password: str) -> None:
        profile = Profile(
            name="client",
            modes=frozenset({Phase1Mode.MAIN}),
            ike_proposals=(IkeProposal.from_text("aes256-sha256-ecp256"),),
            esp_proposals=(EspProposal.from_text("aes128gcm16"),),
            trust_anchors=(self.anchor,),
        )
        if self.identity is not None:
            proven = frozenset({Authentication.XAUTH_RSA})
            profile = replace(profile, identity=self.identity, authentication=proven)
        local, remote = self.plain.local, self.gateway.plain
        self.shard.command(
            Connect(
                profile=profile,
                credentials=Credentials(username=user, password=Secret(password.encode())),
                path=Path(local, remote, nat_t=False),
                nat_t_path=Path(self.nat_t.local, self.gateway.nat_t, nat_t=True),
                gateway_name=self.gateway_name,
                hostname="laptop",
            )
        )

    async def log_in(self, user: str, password: str) -> PeerConnected:
        """Connect and wait until the tunnel is up."""
        self.connect(user, password)
        return await self.next(PeerConnected)

    def log_out(self, connected: PeerConnected) -> None:
        self.shard.command(Disconnect(connected.peer_id))

    async def next(self, kind: type[T]) -> T:
        """Wait for an event of this kind and take it."""
        async with asyncio.timeout(60):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        self.events.remove(event)
                        return event
                await asyncio.sleep(0.01)
