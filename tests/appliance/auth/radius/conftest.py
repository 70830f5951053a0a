"""A real FreeRADIUS with the users of these tests, and realms that ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

from appliance.auth.radius.group import ServerGroup
from appliance.auth.radius.realm import RadiusRealm
from appliance.auth.radius.requests import Nas
from appliance.auth.radius.server import Server
from appliance.auth.verdicts import Attempt
from ike_engine.secret import Secret
from tests.freeradius import SECRET, FreeRadius

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

USERS = r"""
alice Cleartext-Password := "wonderland"
    Framed-IP-Address = 10.9.0.77,
    Framed-IP-Netmask = 255.255.255.0,
    Class = "OU=staff;",
    Filter-Id = "visitors",
    Session-Timeout = 3600,
    Idle-Timeout = 600,
    Acct-Interim-Interval = 300,
    Framed-Route = "10.70.0.0/16 0.0.0.0 1",
    MS-Primary-DNS-Server = 10.0.0.53,
    MS-Secondary-DNS-Server = 10.0.0.54,
    MS-Primary-NBNS-Server = 10.0.0.42

vera Cleartext-Password := "vera's password"
    Framed-IP-Address = 255.255.255.254,
    Framed-Pool = "guests",
    ASA-Primary-DNS = 10.1.0.53,
    ASA-Banner1 = "Welcome, ",
    ASA-Banner2 = "Vera.",
    ASA-IPsec-Split-Tunnel-List = "10.1.0.0/16, 10.2.0.0/255.255.0.0",
    ASA-IPsec-Split-Tunneling-Policy = 1,
    ASA-IPsec-Default-Domain = "example.net"

"jörg" Cleartext-Password := "geheim"
    User-Name = "joerg"
"""


@pytest.fixture(scope="session")
def freeradius() -> Iterator[FreeRadius]:
    with FreeRadius(USERS) as server:
        yield server


def real(server: FreeRadius, **changes: Any) -> Server:
    """Give a real server as it is configured."""
    fields = {
        "key": server.auth_port,
        "address": server.address,
        "authentication_port": server.auth_port,
        "accounting_port": server.acct_port,
        "secret": Secret(SECRET.encode()),
        "timeout_seconds": 5.0,
    }
    return Server(**(fields | changes))


class MakeRealm(Protocol):
    """Makes a realm that asks these servers."""

    def __call__(self, *servers: Server, **settings: Any) -> RadiusRealm: ...


@pytest.fixture
async def realm() -> AsyncIterator[MakeRealm]:
    made: list[RadiusRealm] = []

    def make(*servers: Server, **settings: Any) -> RadiusRealm:
        group = ServerGroup.for_authentication(servers)
        made.append(RadiusRealm("corp", group, nas=Nas(identifier="gw1"), **settings))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def attempt(username: str, password: str, **fields: Any) -> Attempt:
    """Give the first round of a login."""
    first = {"source": "192.0.2.7", "profile": "staff", "local_address": "203.0.113.1", "attempt_id": "41"}
    return Attempt(username=username, password=Secret(password.encode()), **({"login": username} | first | fields))
