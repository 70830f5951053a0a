"""What a server is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.auth.radius.group import ServerGroup
from appliance.auth.radius.realm import RadiusRealm
from appliance.auth.radius.requests import Nas
from appliance.auth.verdicts import Accepted, Rejected
from appliance.models.radius import PasswordMethod
from tests.appliance.auth.radius.conftest import MakeRealm, attempt
from tests.appliance.auth.radius.fake_server import FakeServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


async def test_every_attribute(server: FakeServer, realm: MakeRealm) -> None:
    verdict = await realm(server.server()).authenticate(attempt("alice", "wonderland"))
    assert isinstance(verdict, Accepted)
    [request] = server.requests
    assert request.verify_message_authenticator()
    assert next(iter(request)) == 80, "the Message-Authenticator comes first (CVE-2024-3596)"
    assert request.PwDecrypt(request[2][0]) == "wonderland"
    said = {name: request[name][0] for name in request.keys() if isinstance(name, str)}  # noqa: SIM118
    assert verdict.claim.accounting.session_id == said["Acct-Session-Id"]
    for name in ("Message-Authenticator", "User-Password", "Acct-Session-Id"):
        del said[name]
    assert said == {
        "User-Name": "alice",
        "NAS-IP-Address": "127.0.0.1",
        "NAS-Identifier": "gw1",
        "NAS-Port": 41,
        "NAS-Port-Type": "Virtual",
        "Service-Type": "Framed-User",
        "Called-Station-Id": "203.0.113.1",
        "Calling-Station-Id": "192.0.2.7",
    }


async def test_two_logins_have_two_session_ids(server: FakeServer, realm: MakeRealm) -> None:
    corp = realm(server.server())
    for _ in range(2):
        await corp.authenticate(attempt("alice", "wonderland"))
    first, second = (request["Acct-Session-Id"][0] for request in server.requests)
    assert first != second
    assert len(first) == 16


async def test_the_name_without_its_realm_or_as_typed(server: FakeServer, realm: MakeRealm) -> None:
    typed = attempt("alice", "x", login="alice@corp")
    await realm(server.server()).authenticate(typed)
    await realm(server.server(), whole_name=True).authenticate(typed)
    assert [request["User-Name"][0] for request in server.requests] == ["alice", "alice@corp"]


async def test_an_address_of_ours_that_is_not_the_sockets(server: FakeServer) -> None:
    group = ServerGroup.for_authentication([server.server()])
    for address in ("198.51.100.1", "2001:db8::1"):
        await RadiusRealm("corp", group, nas=Nas(identifier="gw1", address=address)).authenticate(attempt("a", "x"))
    first, second = server.requests
    assert first["NAS-IP-Address"] == ["198.51.100.1"]
    assert second["NAS-IPv6-Address"] == ["2001:db8::1"]
    assert "NAS-IP-Address" not in second
    group.retire()


async def test_mschapv2_sends_no_password(server: FakeServer, realm: MakeRealm) -> None:
    corp = realm(server.server(method=PasswordMethod.MSCHAPV2))
    await corp.authenticate(attempt("alice", "wonderland"))
    [request] = server.requests
    assert "User-Password" not in request
    assert len(request["MS-CHAP-Challenge"][0]) == 16
    assert len(request["MS-CHAP2-Response"][0]) == 50


async def test_who_accepts_without_proof_that_it_knows_the_password_is_not_believed(
    server: FakeServer, realm: MakeRealm
) -> None:
    corp = realm(server.server(method=PasswordMethod.MSCHAPV2))
    verdict = await corp.authenticate(attempt("alice", "wonderland"))
    assert "without proof that it knows the password" in getattr(verdict, "reason", "")


@pytest.mark.parametrize(("name", "password"), [("", "x"), ("a" * 254, "x"), ("alice", "x" * 129)])
async def test_what_radius_cannot_carry_is_refused_without_asking(
    server: FakeServer, realm: MakeRealm, name: str, password: str
) -> None:
    verdict = await realm(server.server()).authenticate(attempt(name, password))
    assert isinstance(verdict, Rejected)
    assert not server.requests
