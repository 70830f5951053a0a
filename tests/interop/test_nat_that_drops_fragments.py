"""A NAT that drops IP fragments and UDP datagrams of more than 600 octets: IKE fragmentation carries certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.lab import office, proofs
from tests.interop.lab.processes import Failed
from tests.interop.lab.strongswan import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.conftest import Clients
    from tests.interop.lab.authority import Credential
    from tests.interop.lab.gateway import Gateway
    from tests.interop.lab.network import Network


@pytest.fixture(autouse=True)
def _hostile_nat(network: Network) -> Iterator[None]:
    with network.nat.hostile(largest_udp=600):
        yield


@pytest.mark.parametrize("mode", ["main", "aggressive"])
@pytest.mark.parametrize("method", ["hybrid", "rsa"])
def test_the_certificates_arrive(
    *, clients: Clients, gateway: Gateway, network: Network, client_credential: Credential, method: str, mode: str
) -> None:
    client = clients.strongswan(network.home_a)
    credential = client_credential if method == "rsa" else None

    client.start(Login(office.ALICE, method, mode, credential=credential), gateway.authority)
    client.connect()

    proofs.ping(network.home_a)
    assert network.nat.dropped() == {"fragments": 0, "large": 0}


def test_the_nat_is_as_bad_as_it_is_said_to_be(
    clients: Clients, gateway: Gateway, network: Network, client_credential: Credential
) -> None:
    """The certificate of a client that fragments at 1,280 octets does not pass."""
    client = clients.strongswan(network.home_a)
    client.start(Login(office.ALICE, "rsa", credential=client_credential), gateway.authority, fragment_octets=1_280)

    with pytest.raises(Failed):
        client.connect(within=4)

    assert network.nat.dropped()["large"] > 0
