"""A program: the engine alone as a gateway, without the appliance; users and leases live in memory.

``python engine_program.py CONFIGURATION`` (JSON, as ``EngineGateway`` writes it). It answers one-line questions on a
unix socket: what is held for clients, who was refused, and orders to rekey or disconnect somebody.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import os
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ike_engine.actions import (
    Accepted,
    Authenticate,
    Configuration,
    Configure,
    Disconnect,
    Question,
    Refused,
    Rejected,
    RekeyChildren,
)
from ike_engine.crypto.signatures import PrivateKey
from ike_engine.dataplane.channel import RemoteDataPlane, open_pair
from ike_engine.dataplane.tun import open_tun
from ike_engine.endpoint import Endpoint
from ike_engine.events import Event, PeerConnected, PeerGone, PeerRefused
from ike_engine.identities import Identification
from ike_engine.path import Address
from ike_engine.policy import Authentication, EspProposal, IkeProposal, LocalIdentity, Phase1Mode, Policy, Profile
from ike_engine.runtime.shard import Shard
from ike_engine.runtime.steering import program, steer
from ike_engine.runtime.udp import UdpSocket, bind
from ike_engine.secret import Secret

if TYPE_CHECKING:
    import socket

logger = logging.getLogger("engine")


class Gateway:
    """Answers the engine's questions from memory, and ours about it."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._configuration = configuration
        self._connected: dict[int, PeerConnected] = {}
        self._leases: dict[int, IPv4Address] = {}
        self._refused: list[PeerRefused] = []
        self._shard: Shard
        self._data_plane: RemoteDataPlane

    async def serve(self) -> None:
        """Run until killed."""
        plain = bind(Address("0.0.0.0", 500))
        nat_t, esp = (bind(Address("0.0.0.0", 4500), shared=True) for _ in range(2))
        steer((nat_t, esp), program(shards=1, marked=True, esp=True))
        self._data_plane = RemoteDataPlane(self._start_esp_process(esp))
        self._shard = Shard(
            Endpoint(self._policy(), entropy=os.urandom, wall_clock=lambda: dt.datetime.now(dt.UTC)),
            plain=UdpSocket(plain, nat_t=False),
            nat_t=UdpSocket(nat_t, nat_t=True),
            data_plane=self._data_plane,
            answer=self._answer,
            on_event=self._on_event,
        )
        self._shard.start()
        server = await asyncio.start_unix_server(self._converse, self._configuration["control"])
        logger.info("ready")
        async with server:
            await server.serve_forever()

    def _start_esp_process(self, udp: socket.socket) -> socket.socket:
        """Start the userspace data plane; give our end of the channel to it."""
        tun, interface = open_tun("coati%d")
        for network in self._configuration["virtual_networks"]:
            subprocess.run(["ip", "route", "add", network, "dev", interface], check=True)
        ours, theirs = open_pair()
        descriptors = (tun, udp.fileno(), theirs.fileno())
        command = [sys.executable, "-m", "ike_engine.dataplane.userspace", *map(str, descriptors)]
        subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], pass_fds=descriptors)
        theirs.close()
        return ours

    def _policy(self) -> Policy:
        read = {name: Path(file).read_bytes() for name, file in self._configuration["files"].items()}
        common: dict[str, Any] = {
            "identity": LocalIdentity(
                identification=Identification.fqdn(self._configuration["name"]),
                certificates=(_der(read["certificate"]),),
                private_key=PrivateKey.from_pem(read["key"]),
            ),
            "pre_shared_key": Secret(self._configuration["group_key"].encode()),
            "trust_anchors": (_der(read["client_authority"]),),
            "ike_proposals": tuple(map(IkeProposal.from_text, self._configuration["ike_proposals"])),
            "esp_proposals": tuple(map(EspProposal.from_text, self._configuration["esp_proposals"])),
            "dpd_interval_seconds": self._configuration["dpd_interval_seconds"],
            "dpd_timeout_seconds": self._configuration["dpd_timeout_seconds"],
            "fragment_octets": self._configuration["fragment_octets"],
        }
        tiny = Profile(
            name="tiny",
            authentication=frozenset({Authentication.XAUTH_PSK}),
            modes=frozenset({Phase1Mode.AGGRESSIVE}),
            group_names=(self._configuration["tiny_group"],),
            **common,
        )
        office = Profile(name="office", authentication=frozenset(Authentication), **common)
        return Policy(profiles=(tiny, office), force_encapsulation=True)

    async def _answer(self, question: Question[Any]) -> object:
        match question:
            case Authenticate(username=name, password=password):
                if self._configuration["users"].get(name, "").encode() != password:
                    return Rejected("wrong password, unknown or disabled user")
                return Accepted(name)
            case Configure(peer_id=peer_id, peer=peer):
                taken = set(self._leases.values())
                first, last = map(IPv4Address, self._configuration["pools"][peer.profile])
                free = (IPv4Address(number) for number in range(int(first), int(last) + 1))
                address = next((address for address in free if address not in taken), None)
                if address is None:
                    return Refused("the address pool is exhausted")
                self._leases[peer_id] = address
                return Configuration(address=address, dns=(IPv4Address(self._configuration["dns"]),))
        raise ValueError(f"no answer to {type(question).__name__}")

    def _on_event(self, event: Event) -> None:
        logger.info("%s", event)
        match event:
            case PeerConnected(peer_id=peer_id):
                self._connected[peer_id] = event
            case PeerGone(peer_id=peer_id):
                self._connected.pop(peer_id, None)
                self._leases.pop(peer_id, None)
            case PeerRefused():
                self._refused.append(event)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        verb, _, argument = (await reader.readline()).decode().strip().partition(" ")
        for peer_id, connected in list(self._connected.items()):
            if connected.user == argument and verb == "rekey":
                self._shard.command(RekeyChildren(peer_id))
            elif connected.user == argument and verb == "disconnect":
                self._shard.command(Disconnect(peer_id))
        answer = {
            "sessions": [(connected.user, str(connected.virtual_ip)) for connected in self._connected.values()],
            "leases": [str(address) for address in self._leases.values()],
            "security_associations": len(await self._data_plane.counters()),
            "refusals": [
                {
                    "user": refused.username,
                    "reason": refused.reason,
                    "stage": refused.stage.value,
                    "remedy": refused.remedy,
                    "offered": refused.offered,
                    "accepted": refused.accepted,
                }
                for refused in self._refused
            ],
        }
        writer.write(json.dumps(answer).encode())
        await writer.drain()
        writer.close()


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(Gateway(json.loads(Path(sys.argv[1]).read_text())).serve())
