"""A gateway whose users a real FreeRADIUS knows, and what that server hears and orders."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from appliance.installation import Actor
from appliance.models import RealmKind
from appliance.radius_servers import service as radius_servers
from appliance.radius_servers.schemas import NewRadiusServer
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm, RealmOrder
from ike_engine.dataplane.none import NoDataPlane
from tests.freeradius import SECRET
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.installation import Installation
    from ike_engine.dataplane.interface import ChildCounters
    from tests.freeradius import FreeRadius

HERE = Actor("a test")
USERS = """
ruth Cleartext-Password := "ruth's password"
    Class = "OU=staff;",
    Session-Timeout = 3600

rolf Cleartext-Password := "rolf's password"
    Class = 0xff00ff
"""


class Carrying(NoDataPlane):
    """Says that each Child SA carried so much."""

    octets_in = 0
    octets_out = 0

    def _counters(self, spis: tuple[int, ...]) -> tuple[ChildCounters, ...]:
        return tuple(
            replace(counters, octets_in=self.octets_in, octets_out=self.octets_out, packets_in=4, packets_out=5)
            for counters in super()._counters(spis)
        )


async def ask(installation: Installation, freeradius: FreeRadius, *, first: bool = True, **fields: Any) -> Installation:
    """Have the realm ``corp``, the first, ask this server; gives the installation with a port of its own for orders."""
    async with installation.transaction(HERE) as work:
        await realms.add(work, NewRealm(name="corp", kind=RealmKind.RADIUS))
        if first:
            await realms.order(work, RealmOrder(names=("corp", "local")))
        server = {
            "name": "main",
            "address": freeradius.address,
            "secret": SecretStr(SECRET),
            "authentication_port": freeradius.auth_port,
            "accounting_port": freeradius.acct_port,
        }
        await radius_servers.add(work, "corp", NewRadiusServer.model_validate(server | fields))
    settings = installation.settings.model_copy(update={"coa_port": free_port()})
    return replace(installation, settings=settings)


async def radclient(installation: Installation, order: str, *, patience: int = 10, **attributes: Any) -> str:
    """Give an order as FreeRADIUS' own client does; gives what it says of the answer in so many seconds."""
    address = f"127.0.0.1:{installation.settings.coa_port}"
    process = await asyncio.create_subprocess_exec(
        *("radclient", "-x", "-r", "1", "-t", str(patience), address, order, SECRET),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    pairs = "\n".join(f'{name.replace("_", "-")} = "{value}"' for name, value in attributes.items())
    async with asyncio.timeout(60):
        said, _ = await process.communicate(pairs.encode())
    return said.decode()


async def heard(freeradius: FreeRadius, enough: Callable[[list[dict[str, str]]], bool]) -> list[dict[str, str]]:
    """Wait until the server has written enough accounting records; gives them."""
    async with asyncio.timeout(60):
        while not enough(freeradius.accounting()):  # noqa: ASYNC110  a file has no event
            await asyncio.sleep(0.05)
    return freeradius.accounting()
