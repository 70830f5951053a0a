"""A thing's version moves when somebody edits it and at no other time; every change can be made to depend on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyotp
from pydantic import SecretStr
from sqlalchemy import select

from appliance.administrators import signing_in
from appliance.administrators.signing_in import Visitor
from appliance.backups import service as backups
from appliance.certificates import authorities
from appliance.certificates import service as certificates
from appliance.certificates.schemas import NewCertificate, Revocation
from appliance.models import Administrator, DownloadLink, Lease, Node, Passkey, Pool, SecondFactor, User
from appliance.models.columns import now
from appliance.second_factors import service as second_factors
from appliance.users import repository as users
from tests.appliance.api.test_conventions import (
    DEFINED,
    HERE,
    PASSWORD,
    V1,
    _another_kind_of_realm,
    client,
    installation,
    session_of,
)

if TYPE_CHECKING:
    import httpx2

    from appliance.installation import Installation

__all__ = ["_another_kind_of_realm", "client", "installation"]

STALE = {"If-Match": 'W/"of another day"'}
BACKUP = "monday.coati-backup"

# What can be changed or removed, by its path in the document: where one is, once everything was made.
THINGS = {
    "administrators/{name}": "administrators/carol",
    "administrators/{name}/codes": "administrators/carol/codes",
    "administrators/{name}/passkeys/{passkey_id}": "administrators/carol/passkeys/1",
    "administrators/{name}/sign-ins": "administrators/carol/sign-ins",
    "administrators/{name}/sign-ins/{sign_in_id}": "administrators/carol/sign-ins/1",
    "authorities/{name}": "authorities/second",
    "backups/{name}": f"backups/{BACKUP}",
    "certificate-requests/{request_id}": "certificate-requests/1",
    "certificates/{which}/revoke": "certificates/gateway/revoke",
    "download-links/{link_id}": "download-links/1",
    "groups/{name}": "groups/staff",
    "policy": "policy",
    "pools/{name}": "pools/office",
    "profiles/{name}": "profiles/phones",
    "realms/{name}": "realms/corp",
    "realms/{realm}/servers/{name}": "realms/corp/servers/main",
    "replacement": "replacement",
    "second-factors/{realm}/{user}": "second-factors/local/alice",
    "settings/{name}": "settings/session_days",
    "users/{name}": "users/alice",
}
# A body that is good enough to come to the question whether the thing still is as it was seen.
BODIES: dict[str, dict[str, Any]] = {
    "certificates/gateway/revoke": {},
    "policy": {"banner": "Hello"},
    "realms/corp/servers/main": {"address": "192.0.2.7", "secret": "a secret for two"},
    "settings/session_days": {"value": 30},
    **{path: whole for path, (whole, _) in DEFINED.items()},
}


async def make_everything(client: httpx2.AsyncClient, installation: Installation) -> dict[str, str]:
    """Have one of each; gives the seeds of second factors, by user."""
    for path, (whole, _) in DEFINED.items():
        assert (await client.put(f"{V1}/{path}", json=whole)).is_success, path
    for path in ("realms/corp/servers/main", "policy", "settings/session_days"):
        assert (await client.put(f"{V1}/{path}", json=BODIES[path])).is_success, path
    enrolled = await client.post(f"{V1}/second-factors/local/alice")
    requested = await client.post(f"{V1}/certificate-requests", json={"names": ["vpn.example.net"]})
    linked = await client.post(
        f"{V1}/download-links", json={"user": "alice", "profile": "default", "format": "mobileconfig"}
    )
    assert [each.status_code for each in (enrolled, requested, linked)] == [201] * 3, (requested.text, linked.text)
    async with installation.transaction(HERE) as work:
        (carol,) = await work.session.scalars(select(Administrator).where(Administrator.name == "carol"))
        work.session.add(Passkey(administrator_id=carol.id, name="key", credential=b"1", public_key=b"2"))
        panel = await second_factors.enrol(work, signing_in.repository.PANEL, "carol")
        await signing_in.start(work, carol.id, Visitor("192.0.2.1"), "password")
        backup = await backups.make(work, SecretStr(PASSWORD), BACKUP)
    sent = await client.post(f"{V1}/backups/{BACKUP}/file", content=backup)
    prepared = await client.post(f"{V1}/replacement", json={"name": BACKUP, "passphrase": PASSWORD})
    assert [sent.status_code, prepared.status_code] == [201, 201], prepared.text
    return {"alice": enrolled.json()["seed"], "carol": panel.seed}


async def let_things_happen(installation: Installation, seeds: dict[str, str]) -> None:
    """Users and administrators come in, addresses are taken, gateways beat, CRLs are published: nobody edits."""
    async with installation.transaction(HERE) as work:
        (alice,) = await work.session.scalars(select(User).where(User.name == "alice"))
        (pool,) = await work.session.scalars(select(Pool).where(Pool.name == "office"))
        (lease, *_) = await work.session.scalars(select(Lease).where(Lease.pool_id == pool.id))
        lease.free_since, lease.user, lease.node, lease.taken_at = None, "alice", "gw", now()
        health = {"corp": {"state": "up", "words": "it answers", "since": now().isoformat()}}
        work.session.add(Node(name="gw", serving=True, realms=health))
        work.session.add(session_of("alice", 1))
        await users.keep_hash(work.session, alice.id, alice.password_hash, "hashed with other parameters")
        for name in ("coati", "second"):
            assert await authorities.publish_crl(work, name)
        number = (await certificates.issue(work, NewCertificate(owner="alice", authority="second"))).id
        await certificates.revoke(work, number, Revocation())
        for factor in await work.session.scalars(select(SecondFactor)):
            assert second_factors.spend(work, factor, pyotp.TOTP(seeds[factor.user]).at(now()))
        for link in await work.session.scalars(select(DownloadLink)):
            link.used_at, link.used_from = now(), "192.0.2.1"
    await signing_in.sign_in(installation, "carol", SecretStr(PASSWORD), Visitor("192.0.2.1"))


async def changes(client: httpx2.AsyncClient) -> dict[tuple[str, str], str]:
    """Give all changes that take ``If-Match``, by method and path of the document: where one is to be tried."""
    found = {}
    for path, methods in (await client.get("/api/openapi.json")).json()["paths"].items():
        for method, operation in methods.items():
            if "If-Match" in (each["name"] for each in operation.get("parameters", ())):
                assert "412" in operation["responses"]
                short = path.removeprefix(f"{V1}/")
                found[method.upper(), short] = THINGS[short]
    return found


async def test_what_happens_to_a_thing_is_no_new_version_of_it(
    client: httpx2.AsyncClient, installation: Installation
) -> None:
    seeds = await make_everything(client, installation)
    paths = {path.removesuffix("/revoke") for path in (await changes(client)).values()}

    async def versions() -> dict[str, tuple[str, Any]]:
        answers = {path: await client.get(f"{V1}/{path}") for path in paths}
        return {
            path: (answer.headers["etag"], answer.json())
            for path, answer in answers.items()
            if "etag" in answer.headers
        }

    before = await versions()
    assert len(before) == 15
    await let_things_happen(installation, seeds)
    after = await versions()
    moved = {path for path in before if before[path][1] != after[path][1]}
    assert moved == {
        "administrators/carol",
        "authorities/second",
        "pools/office",
        "realms/corp",
        "second-factors/local/alice",
        "users/alice",
    }
    assert {path: etag for path, (etag, _) in after.items()} == {path: etag for path, (etag, _) in before.items()}


async def test_every_change_can_be_made_to_depend_on_the_version(
    client: httpx2.AsyncClient, installation: Installation
) -> None:
    await make_everything(client, installation)
    found = await changes(client)
    assert set(found.values()) == set(THINGS.values())
    for (method, short), path in found.items():
        shown = (await client.get(f"{V1}/{path}")).json()
        answer = await client.request(method, f"{V1}/{path}", json=BODIES.get(path), headers=STALE)
        assert (answer.status_code, answer.json()["type"]) == (412, "urn:coati:problem:lost-update"), (method, short)
        assert (await client.get(f"{V1}/{path}")).json() == shown
    # What ends or goes with another thing comes before it. All sign-ins of an administrator together have no version.
    for (method, short), path in sorted(found.items(), key=lambda each: _when(each[0][0], each[1])):
        seen = await client.get(f"{V1}/{path.removesuffix('/revoke')}")
        etag = seen.headers.get("etag", "*")
        answer = await client.request(method, f"{V1}/{path}", json=BODIES.get(path), headers={"If-Match": etag})
        assert answer.is_success != (short == "administrators/{name}/sign-ins"), (method, short, answer.text)


def _when(method: str, path: str) -> tuple[bool, bool, bool, int]:
    return "/sign-ins" not in path, method == "DELETE", path.startswith("users/"), -path.count("/")


async def test_only_what_is_new_can_be_asked_for(client: httpx2.AsyncClient) -> None:
    only_new = {"If-None-Match": "*"}
    for path, (whole, change) in DEFINED.items():
        assert (await client.put(f"{V1}/{path}", json=whole, headers=only_new)).status_code == 201, path
        seen = (await client.get(f"{V1}/{path}")).json()
        again = await client.put(f"{V1}/{path}", json=whole | change, headers=only_new)
        assert (again.status_code, again.json()["type"]) == (412, "urn:coati:problem:lost-update")
        assert (await client.get(f"{V1}/{path}")).json() == seen
    tagged = await client.put(f"{V1}/groups/staff", json={}, headers={"If-None-Match": 'W/"seen"'})
    assert (tagged.status_code, tagged.json()["field"]) == (422, "If-None-Match")


async def test_a_condition_that_nobody_would_look_at_is_refused(client: httpx2.AsyncClient) -> None:
    for headers in (STALE, {"If-None-Match": "*"}):
        answer = await client.post(f"{V1}/groups", json={"name": "staff"}, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (422, *headers)
    assert (await client.get(f"{V1}/groups")).json()["total"] == 0
