from datetime import timedelta

from appliance.certificates import service as certificates
from appliance.installation import Transaction
from appliance.models import Lease, Node
from appliance.models.columns import now
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool
from appliance.system import service


async def words(work: Transaction) -> str:
    return " | ".join(f"{problem.what}: {problem.remedy}" for problem in (await service.status(work)).problems)


async def test_an_empty_appliance_says_what_to_do(work: Transaction) -> None:
    said = await words(work)
    assert "no gateway has run yet" in said
    assert "sudo ./coati serve" in said
    assert "coati user add NAME" in said


async def test_a_gateway_serves_only_while_its_heart_beats(work: Transaction) -> None:
    problems = [{"what": "nft is not installed", "remedy": "apt-get install nftables"}]
    work.session.add(node := Node(name="gw", serving=True, data_plane="xfrm", problems=problems))
    await work.session.flush()
    shown = (await service.status(work)).nodes[0]
    assert (shown.alive, shown.serving, shown.data_plane) == (True, True, "xfrm")
    assert "nft is not installed: apt-get install nftables" in await words(work)
    node.heartbeat_at = now() - timedelta(minutes=5)
    await work.session.flush()
    shown = (await service.status(work)).nodes[0]
    assert (shown.alive, shown.serving) == (False, False)
    assert "gave no sign of life since" in await words(work)


async def test_a_realm_that_is_down_is_said_while_its_gateway_lives(work: Transaction) -> None:
    realms = {"corp": {"state": "down", "words": "no answer from 192.0.2.1"}, "local": {"state": "ok", "words": ""}}
    work.session.add(node := Node(name="gw", serving=True, realms=realms))
    await work.session.flush()
    said = await words(work)
    assert "realm corp is down for gateway gw: no answer from 192.0.2.1: try it: coati realm test corp" in said
    assert "realm local" not in said
    node.heartbeat_at = now() - timedelta(minutes=5)
    await work.session.flush()
    assert "realm corp" not in await words(work)


async def test_a_pool_that_is_nearly_full_is_said(work: Transaction) -> None:
    await pools.add(work, NewPool.model_validate({"name": "small", "networks": ["10.99.0.0/30"]}))
    for lease in await work.session.scalars(Lease.__table__.select()):
        (await work.session.get_one(Lease, lease)).free_since = None
    await work.session.flush()
    assert "2 of the 2 addresses of pool small are taken" in await words(work)


async def test_the_certificates_names_and_end_are_shown(work: Transaction) -> None:
    await certificates.ensure(work)
    status = await service.status(work)
    assert status.gateway_names[0] == "vpn.example.net"
    assert status.gateway_certificate_expires_at is not None
    assert (await service.health(work)).status == "ok"
