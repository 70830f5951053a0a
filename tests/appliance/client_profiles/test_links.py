"""One-time links."""

from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from appliance import first_start
from appliance.client_profiles import links
from appliance.client_profiles.schemas import LinkFilter, MadeLink, NewLink
from appliance.client_profiles.target import ClientFormat
from appliance.errors import Invalid, NotFound
from appliance.installation import Actor, Installation, Transaction
from appliance.models import AuditEntry, DownloadLink
from appliance.models.columns import now
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile
from appliance.users import service as users
from appliance.users.schemas import NewUser, UserChange

TEST = Actor("a test", "192.0.2.9")


@pytest.fixture
async def installation(installation: Installation) -> Installation:
    await first_start.ensure(installation)
    return installation


async def make(installation: Installation, **more: object) -> tuple[MadeLink, str]:
    wanted = {"user": "alice", "profile": "default", "format": ClientFormat.VPNC} | more
    async with installation.transaction(TEST) as work:
        made = await links.make(work, NewLink.model_validate(wanted))
    return made, made.path.removeprefix("/get/")


async def test_a_link_gives_once_however_often_it_is_looked_at(installation: Installation) -> None:
    made, token = await make(installation)
    assert made.url == f"https://vpn.example.net:8443/get/{token}"
    for _ in range(2):
        async with installation.snapshot() as work:
            assert (await links.show(work, token)).user == "alice"
    given = await links.use(installation, token, "198.51.100.7")
    assert given.name == "default-vpnc.tar.gz"
    with pytest.raises(NotFound, match="has been used"):
        await links.use(installation, token, "198.51.100.7")
    async with installation.snapshot() as work:
        with pytest.raises(NotFound):
            await links.show(work, token)
        (row,) = await work.session.scalars(select(DownloadLink))
        assert (row.used_from, row.created_by) == ("198.51.100.7", "a test")
        assert token.encode() not in row.token_hash
        deeds = [entry.deed for entry in await work.session.scalars(select(AuditEntry))]
        assert {"download-link.make", "download-link.use"} <= set(deeds)
        assert token not in str([entry.after for entry in await work.session.scalars(select(AuditEntry))])


async def test_one_that_expired_or_was_removed_gives_nothing(installation: Installation) -> None:
    made, token = await make(installation, hours=1)
    async with installation.transaction(TEST) as work:
        (await work.session.get_one(DownloadLink, made.id)).expires_at = now() - timedelta(seconds=1)
    with pytest.raises(NotFound):
        await links.use(installation, token, "")
    made, token = await make(installation)
    async with installation.transaction(TEST) as work:
        assert [each.id for each in (await links.page(work, LinkFilter(usable=True))).items] == [made.id]
        await links.remove(work, made.id)
    with pytest.raises(NotFound):
        await links.use(installation, token, "")


async def test_who_is_disabled_or_removed_gets_nothing_by_links_of_before(installation: Installation) -> None:
    async def disable(work: Transaction) -> None:
        await users.change(work, "alice", UserChange(enabled=False))

    async def remove(work: Transaction) -> None:
        await users.remove(work, "alice")

    async with installation.transaction(TEST) as work:
        for name in ("alice", "bob"):
            await users.add(work, NewUser(name=name, password=SecretStr("correct horse battery")))
    _, of_bob = await make(installation, user="bob")
    for leave in (disable, remove):
        _, token = await make(installation)
        async with installation.transaction(TEST) as work:
            await leave(work)
        with pytest.raises(NotFound):
            await links.use(installation, token, "")
    assert (await links.use(installation, of_bob, "")).name == "default-vpnc.tar.gz"


async def test_what_cannot_be_written_is_not_promised(installation: Installation) -> None:
    async with installation.transaction(TEST) as work:
        await profiles.add(work, NewProfile(name="strict", preset="modern"))
    with pytest.raises(Invalid, match="none of the IKE proposals"):
        await make(installation, profile="strict")


async def test_a_failure_uses_nothing_up(installation: Installation) -> None:
    _, token = await make(installation)
    async with installation.transaction(TEST) as work:
        await profiles.change(work, "default", profiles.ProfileChange(enabled=False))
    with pytest.raises(Invalid, match="switched off"):
        await links.use(installation, token, "")
    async with installation.transaction(TEST) as work:
        await profiles.change(work, "default", profiles.ProfileChange(enabled=True))
    assert (await links.use(installation, token, "")).content


def test_a_code_to_scan_has_no_inline_style() -> None:
    svg = links.qr_svg("https://vpn.example.net:8443/get/abc")
    assert svg.startswith("<svg")
    assert "style=" not in svg
    assert links.qr_text("https://vpn.example.net:8443/get/abc").count("\n") > 10
