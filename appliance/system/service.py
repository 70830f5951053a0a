"""The appliance at a glance: nodes, sessions, pools, certificate, and what is off."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from appliance import __version__
from appliance.backups import schedule
from appliance.certificates import expiry
from appliance.certificates import repository as certificates
from appliance.installation import Transaction
from appliance.models import CertificatePurpose, Node
from appliance.models.columns import now
from appliance.pools import service as pools
from appliance.sessions import repository as sessions
from appliance.system import repository
from appliance.system.schemas import HealthView, NodeView, PoolUse, Problem, StatusView
from appliance.tokens import service as tokens
from appliance.users import repository as users

HEARTBEAT_LOST_AFTER: Final = timedelta(seconds=30)
_POOL_NEARLY_FULL: Final = 0.9


async def status(work: Transaction) -> StatusView:
    """Give the state of everything."""
    gateways = await nodes(work)
    pool_views = (await pools.page(work)).items
    certificate = await certificates.in_use(work.session, CertificatePurpose.GATEWAY)
    user_count = await users.count(work.session)
    uses = [PoolUse(name=pool.name, addresses=pool.addresses, taken=pool.taken) for pool in pool_views]
    return StatusView(
        version=__version__,
        nodes=gateways,
        live_sessions=await sessions.count_live(work.session),
        users=user_count,
        pools=uses,
        gateway_names=certificate.names if certificate else (),
        gateway_certificate_expires_at=certificate.not_after if certificate else None,
        problems=[
            *_node_problems(gateways),
            *_pool_problems(uses),
            *await expiry.problems(work),
            *await tokens.problems(work),
            *await schedule.problems(work),
        ]
        + ([] if user_count else [Problem(what="there is no user yet", remedy="add one: coati user add NAME")]),
    )


async def nodes(work: Transaction) -> list[NodeView]:
    """Give all gateways by name."""
    return [_node(row) for row in await repository.nodes(work.session)]


async def health(work: Transaction) -> HealthView:
    """Say that the database answers.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it does not.
    """
    await repository.ping(work.session)
    return HealthView(status="ok")


def _node(row: Node) -> NodeView:
    alive = now() - row.heartbeat_at < HEARTBEAT_LOST_AFTER
    return NodeView(
        name=row.name,
        version=row.version,
        alive=alive,
        serving=row.serving and alive,
        data_plane=row.data_plane,
        data_plane_reason=row.data_plane_reason,
        ike_address=row.ike_address,
        ike_port=row.ike_port,
        natt_port=row.natt_port,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        realms=row.realms,
        problems=[Problem(what=item.get("what", ""), remedy=item.get("remedy", "")) for item in row.problems],
        counters=row.counters,
    )


def _node_problems(nodes: list[NodeView]) -> list[Problem]:
    if not nodes:
        remedy = "coati serve starts one when root runs it: sudo ./coati serve"
        return [Problem(what="no gateway has run yet", remedy=remedy)]
    problems = []
    for node in nodes:
        if not node.alive:
            what = f"gateway {node.name} gave no sign of life since {node.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"
            problems.append(Problem(what=what, remedy="look whether coati serve runs there, and at its log"))
        problems.extend(node.problems)
        if node.alive:
            problems.extend(_realm_problems(node))
    return problems


def _realm_problems(node: NodeView) -> Iterator[Problem]:
    for name, health in node.realms.items():
        if health.get("state") in ("down", "degraded"):
            what = f"realm {name} is {health['state']} for gateway {node.name}: {health.get('words', '')}"
            yield Problem(what=what, remedy=f"try it: coati realm test {name}")


def _pool_problems(uses: list[PoolUse]) -> list[Problem]:
    return [
        Problem(
            what=f"{use.taken} of the {use.addresses} addresses of pool {use.name} are taken",
            remedy=f"give it another network: coati pool set {use.name} --network ...",
        )
        for use in uses
        if use.taken > use.addresses * _POOL_NEARLY_FULL
    ]
