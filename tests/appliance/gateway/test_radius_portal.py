"""A user whom only a real FreeRADIUS knows signs in on the portal, through a running gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from appliance.commands import service as commands
from appliance.errors import Unauthenticated
from appliance.models import Command
from appliance.portal import signing_in
from appliance.system import service as system
from ike_engine.dataplane.none import NoDataPlane
from tests.appliance.gateway.loopback import serving
from tests.appliance.gateway.radius_office import USERS, ask
from tests.appliance.gateway.recording import eventually
from tests.freeradius import FreeRadius

if TYPE_CHECKING:
    from appliance.installation import Installation


async def until_it_serves(installation: Installation) -> None:
    async def serves() -> bool:
        async with installation.snapshot() as work:
            return any(node.serving for node in await system.nodes(work))

    await eventually(serves)


@pytest.mark.parametrize("first", [True, False], ids=["first", "behind the local one"])
@pytest.mark.parametrize("login", ["ruth", "ruth@corp", r"CORP\ruth"])
async def test_a_user_of_a_radius_realm_signs_in_on_the_portal(
    installation: Installation, login: str, *, first: bool
) -> None:
    with FreeRadius(USERS) as freeradius:
        installation = await ask(installation, freeradius, first=first)
        async with serving(installation, NoDataPlane()):
            await until_it_serves(installation)
            password = SecretStr("ruth's password")
            cookie = await signing_in.sign_in(installation, login, password, "198.51.100.7", "a browser")
            who = await signing_in.visitor(installation, cookie.decode())
            assert who is not None
            assert (who.user, who.realm, who.local, who.complete) == ("ruth", "corp", False, True)
            with pytest.raises(Unauthenticated):
                await signing_in.sign_in(installation, login, SecretStr("wrong"), "198.51.100.7", "a browser")
    async with installation.snapshot() as work:
        for order in (await commands.page(work)).items:
            assert "password" not in order.model_dump_json().replace("wrong password", "")
            assert (await work.session.get_one(Command, order.id)).secret is None
