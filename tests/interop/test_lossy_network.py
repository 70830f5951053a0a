"""A network that loses a fifth of all datagrams delays a login, and does not prevent it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office
from tests.interop.lab.gateway import Session
from tests.interop.lab.processes import eventually
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from tests.interop.conftest import Clients
    from tests.interop.lab.authority import Credential
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network


@pytest.mark.parametrize("mode", ["main", "aggressive"])
@pytest.mark.parametrize("method", ["hybrid", "psk", "rsa"])
def test_strongswan(
    *, clients: Clients, gateway: Gateway, network: Network, client_credential: Credential, method: str, mode: str
) -> None:
    client = clients.strongswan(network.home_a)
    credential = client_credential if method == "rsa" else None
    client.start(Login(office.ALICE, method, mode, credential=credential), gateway.authority)

    with network.nat.lossy(20):
        client.connect(within=40)
        assert network.nat.lost() > 0

    assert gateway.sessions() == [Session(office.ALICE.name, client.virtual_ip)]
    client.disconnect()
    eventually(lambda: not gateway.remainder(), within=3, what="nothing is held any more")
