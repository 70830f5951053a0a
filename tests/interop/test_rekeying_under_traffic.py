"""Both phases are rekeyed while packets flow: the session stays, the address stays, the packets arrive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.gateway import Session, expect_sessions
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.authority import Credential
    from tests.interop.lab.coati_gateway import CoatiGateway
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network
    from tests.interop.lab.webserver import WebServer


@pytest.mark.parametrize("phase", ["phase 2", "phase 1"])
@pytest.mark.parametrize("method", ["hybrid", "psk", "rsa"])
def test_client_rekeys(
    *,
    clients: Clients,
    gateway: Gateway,
    network: Network,
    web_server: WebServer,
    client_credential: Credential,
    method: str,
    phase: str,
) -> None:
    home = network.home_a
    client = clients.strongswan(home)
    credential = client_credential if method == "rsa" else None
    mode = "aggressive" if method == "psk" else "main"
    client.start(Login(office.ALICE, method, mode, credential=credential), gateway.authority)
    client.connect()
    session = Session(office.ALICE.name, client.virtual_ip)
    expect_sessions(gateway, session)

    with proofs.SteadyPing(home) as pings:
        pings.wait_for_replies(10)
        rekey = client.rekey_child if phase == "phase 2" else client.rekey_ike
        for _ in range(2):
            rekey()
            pings.wait_for_replies(20)
        loss = pings.stop()

    assert loss.lost <= 1, loss.report
    expect_sessions(gateway, session)
    proofs.download(home, web_server)


@pytest.mark.appliance
@pytest.mark.parametrize("method", ["hybrid", "psk"])
def test_a_client_that_still_holds_the_old_sa_need_not_log_in_again(
    clients: Clients, gateway: CoatiGateway, network: Network, method: str
) -> None:
    """The client answers a probe under its old ISAKMP SA while its new one waits: docs/decisions/0045."""
    home = network.home_a
    with gateway.profile_set("--no-reauthenticate"):
        client = clients.strongswan(home)
        client.start(Login(office.ALICE, method), gateway.authority)
        client.connect()
        session = Session(office.ALICE.name, client.virtual_ip)
        with proofs.SteadyPing(home) as pings:
            pings.wait_for_replies(5)
            client.rekey_ike()
            pings.wait_for_replies(20)
            assert pings.stop().lost <= 1
        expect_sessions(gateway, session)
        assert client.log().count("CPRQ(X_USER X_PWD)") == 1
        assert client.log().count("CPS(X_STATUS)") == 2


def test_gateway_rekeys_the_child_sa(
    clients: Clients, gateway: Gateway, network: Network, web_server: WebServer
) -> None:
    home = network.home_a
    client = clients.strongswan(home)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()
    session = Session(office.ALICE.name, client.virtual_ip)
    expect_sessions(gateway, session)

    with proofs.SteadyPing(home) as pings:
        pings.wait_for_replies(10)
        for rekeyed in (1, 2):
            gateway.rekey(office.ALICE.name)
            client.wait_for_child_sas(1 + rekeyed)
            pings.wait_for_replies(20)
        loss = pings.stop()

    assert loss.lost <= 1, loss.report
    expect_sessions(gateway, session)
    proofs.download(home, web_server)


def _more_than(before: int, gateway: Gateway) -> bool:
    return gateway.child_sas_made() > before


@pytest.mark.ours
@pytest.mark.parametrize("pfs", ["nopfs", "dh14"])
def test_gateway_rekeys_the_child_sa_of_vpnc(
    clients: Clients, gateway: Gateway, network: Network, web_server: WebServer, pfs: str
) -> None:
    home = network.home_a
    client = clients.vpnc(home)
    client.start(office.ALICE, gateway.authority, pfs=pfs)
    client.connect()
    session = Session(office.ALICE.name, client.virtual_ip)
    expect_sessions(gateway, session)

    # vpnc sends under the new SA as soon as it has answered, and the gateway has it once it has read that answer: what
    # is lost of each rekeying is a matter of how busy the machine is.
    with proofs.SteadyPing(home, seconds_apart=0.2) as pings:
        pings.wait_for_replies(3)
        for _ in range(3):
            before = gateway.child_sas_made()
            gateway.rekey(office.ALICE.name)
            eventually(partial(_more_than, before, gateway), within=60, what="a new Child SA")
            pings.wait_for_replies(3)
        loss = pings.stop()

    assert loss.lost <= 3, loss.report
    expect_sessions(gateway, session)
    proofs.download(home, web_server)


def test_both_phases_in_the_middle_of_a_download(
    clients: Clients, gateway: Gateway, network: Network, web_server: WebServer
) -> None:
    home = network.home_a
    client = clients.strongswan(home)
    client.start(Login(office.ALICE), gateway.authority)
    client.connect()

    with ThreadPoolExecutor(1) as pool:
        # Slow enough that it lasts through the rekeys.
        download = pool.submit(proofs.download, home, web_server, octets_per_second=8_000_000)
        client.rekey_child()
        client.rekey_ike()
        client.rekey_child()
        assert not download.done()
        download.result()
