from ipaddress import IPv4Address, IPv4Network

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select, update

from appliance.errors import AlreadyExists, InUse, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Lease
from appliance.models.columns import now
from appliance.pools import service
from appliance.pools.schemas import NewPool, PoolChange
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile


def networks(*texts: str) -> tuple[IPv4Network, ...]:
    return tuple(map(IPv4Network, texts))


async def take(work: Transaction, address: str, user: str = "alice") -> None:
    taken = (
        update(Lease).where(Lease.address == IPv4Address(address)).values(free_since=None, user=user, taken_at=now())
    )
    await work.session.execute(taken)


async def test_every_address_but_a_networks_own_and_its_broadcast_is_there_to_give(work: Transaction) -> None:
    shown = await service.add(work, NewPool(name="Office", networks=networks("10.99.0.0/29", "10.98.0.1/32")))
    assert (shown.name, shown.addresses, shown.taken) == ("office", 7, 0)
    rows = (await work.session.scalars(select(Lease.address).order_by(Lease.address))).all()
    assert rows == [
        IPv4Address("10.98.0.1"),
        *map(IPv4Address, range(int(IPv4Address("10.99.0.1")), int(rows[-1]) + 1)),
    ]
    assert rows[-1] == IPv4Address("10.99.0.6")


async def test_a_whole_slash_16_is_taken_in_one_go(work: Transaction) -> None:
    assert (await service.add(work, NewPool(name="big", networks=networks("10.0.0.0/16")))).addresses == 65_534


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (networks("10.0.0.0/15"), "at most 65536"),
        (networks("10.99.0.128/25"), "overlaps 10.99.0.0/24 of pool office"),
    ],
)
async def test_networks_that_cannot_be(work: Transaction, wanted: tuple[IPv4Network, ...], words: str) -> None:
    await service.add(work, NewPool(name="office", networks=networks("10.99.0.0/24")))
    with pytest.raises(Invalid, match=words) as refused:
        await service.add(work, NewPool(name="other", networks=wanted))
    assert refused.value.field == "networks"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"networks": ["10.99.0.1/24"]}, "did you mean 10.99.0.0/24"),
        ({"networks": ["10.99.0.0/24", "10.99.0.0/25"]}, "overlap"),
        ({"networks": []}, "at least 1 item"),
        (
            {"networks": ["10.99.0.0/24"], "split_include": ["10.0.0.0/8"], "split_exclude": ["10.1.0.0/16"]},
            "rule each",
        ),
        ({"networks": ["10.99.0.0/24"], "domain": "no domain"}, "not a domain name"),
        ({"networks": ["10.99.0.0/24"], "dns": ["example.net"]}, "IPv4"),
        ({"networks": ["10.99.0.0/24"], "banner": "x" * 1025}, "1024 octets"),
        ({"networks": ["10.99.0.0/24"], "name": "no spaces"}, "letters, digits"),
        ({"networks": ["rubbish"]}, "rubbish"),
    ],
)
def test_input_that_cannot_be(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NewPool.model_validate({"name": "office", **fields})


async def test_a_change_leaves_alone_what_it_does_not_name(work: Transaction) -> None:
    await service.add(work, NewPool(name="office", networks=networks("10.99.0.0/24"), domain="office.example"))
    after = await service.change(work, "office", PoolChange(dns=(IPv4Address("10.0.0.53"),)))
    assert (after.dns, after.domain) == ((IPv4Address("10.0.0.53"),), "office.example")
    assert after.addresses == 254


async def test_a_change_must_fit_what_is_there(work: Transaction) -> None:
    await service.add(
        work, NewPool(name="office", networks=networks("10.99.0.0/24"), split_include=networks("10.0.0.0/8"))
    )
    with pytest.raises(Invalid, match="rule each other out"):
        await service.change(work, "office", PoolChange(split_exclude=networks("10.1.0.0/16")))


async def test_networks_grow_and_shrink_around_who_is_connected(work: Transaction) -> None:
    await service.add(work, NewPool(name="office", networks=networks("10.99.0.0/24")))
    await take(work, "10.99.0.7")
    grown = await service.change(work, "office", PoolChange(networks=networks("10.99.0.0/24", "10.97.0.0/30")))
    assert (grown.addresses, grown.taken) == (256, 1)
    with pytest.raises(InUse, match=r"10\.99\.0\.7"):
        await service.change(work, "office", PoolChange(networks=networks("10.97.0.0/30")))
    shrunk = await service.change(work, "office", PoolChange(networks=networks("10.99.0.0/28")))
    assert (shrunk.addresses, shrunk.taken) == (14, 1)


async def test_a_pool_that_is_needed_stays(work: Transaction) -> None:
    await service.add(work, NewPool(name="office", networks=networks("10.99.0.0/24")))
    await profiles.add(work, NewProfile(name="staff", pool="office"))
    with pytest.raises(InUse, match="serves the profiles staff"):
        await service.remove(work, "office")
    await profiles.remove(work, "staff")
    await take(work, "10.99.0.3")
    with pytest.raises(InUse, match="1 clients have addresses"):
        await service.remove(work, "office")
    await work.session.execute(update(Lease).values(free_since=now()))
    await service.remove(work, "office")
    assert await work.session.scalar(select(func.count()).select_from(Lease)) == 0
    with pytest.raises(NotFound):
        await service.show(work, "office")


async def test_a_name_is_taken_once(work: Transaction) -> None:
    await service.add(work, NewPool(name="office", networks=networks("10.99.0.0/24")))
    with pytest.raises(AlreadyExists):
        await service.add(work, NewPool(name="OFFICE", networks=networks("10.98.0.0/24")))
