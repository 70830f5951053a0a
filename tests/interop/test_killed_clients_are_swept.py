"""A client that vanishes without a word is noticed by dead peer detection, and all that it held is free again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network

_PATIENCE = office.DPD_TIMEOUT_SECONDS + office.DPD_INTERVAL_SECONDS + 4


def test_strongswan(clients: Clients, gateway: Gateway, network: Network) -> None:
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()
    proofs.ping(network.home_a)
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    assert gateway.remainder().leases == {client.virtual_ip}

    client.kill()

    eventually(lambda: not gateway.remainder(), within=_PATIENCE, what="the dead client is swept", every=0.5)


def test_vpnc(clients: Clients, gateway: Gateway, network: Network) -> None:
    client = clients.vpnc(network.home_a)
    client.start(office.ALICE, gateway.authority)
    client.connect()
    expect_sessions(gateway, Session(office.ALICE.name, client.virtual_ip))
    assert gateway.remainder().leases == {client.virtual_ip}

    client.kill()

    eventually(lambda: not gateway.remainder(), within=_PATIENCE, what="the dead client is swept", every=0.5)


def test_a_silent_client_that_lives_is_kept(clients: Clients, gateway: Gateway, network: Network) -> None:
    """It answers the probes, and nobody sweeps it."""
    client = clients.strongswan(network.public)
    client.start(Login(office.ALICE), gateway.authority, dpd_seconds=0)
    client.connect()
    session = Session(office.ALICE.name, client.virtual_ip)
    expect_sessions(gateway, session)

    client.wait_for_probes(3, within=60)

    assert gateway.sessions() == [session]
    proofs.ping(network.public)
