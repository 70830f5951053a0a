"""Keeps one gateway in step with what administrators change: profiles, pools, realms, users, settings, commands.

database -> change feed -> compile -> Reconfigure, commands

Sessions keep what they were given; what ends one, or changes what it may reach, is done here.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import structlog

from appliance import changes
from appliance.gateway import compile as compiling
from appliance.gateway.authentication import client_certificates
from appliance.gateway.compile import Problem
from appliance.gateway.record.rows import read_leases
from appliance.logs import level
from appliance.policy.attributes import AccessPolicy
from appliance.policy.repository import of_accounts
from ike_engine.actions import Reconfigure
from ike_engine.runtime.operations import OperationFailed, ServeNetworks, VirtualNetwork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from appliance.gateway.admission.leases import Leases
    from appliance.gateway.admission.networks_behind import NetworksBehind
    from appliance.gateway.admission.terms import Admission
    from appliance.gateway.answers import Answers
    from appliance.gateway.authentication.client_certificates import ClientCertificates
    from appliance.gateway.authentication.logins import Logins
    from appliance.gateway.authentication.realms import Realms
    from appliance.gateway.compile import Compiled
    from appliance.gateway.radius import Radius
    from appliance.gateway.record.database_thread import DatabaseThread
    from appliance.gateway.record.projector import Projector
    from appliance.gateway.surroundings import Surroundings
    from appliance.installation import Installation
    from ike_engine.actions import Command

logger = structlog.get_logger(__name__)

_RETRY_SECONDS: Final = 5.0
_CERTIFICATES: Final = frozenset({"certificates", "authorities"})
_CONFIGURATION: Final = frozenset({"profiles", "pools", "realms", "groups", "base_policies"}) | _CERTIFICATES
_FOLLOWED: Final = _CONFIGURATION | {"users"}  # some have addresses of their own


async def undaunted(work: Awaitable[None]) -> None:
    """Do ``work``; a database that is away must not end the gateway."""
    try:
        await work
    except Exception as failure:  # noqa: BLE001  each driver has its own
        logger.error("cannot follow the database; trying again", error=str(failure)[:500])  # noqa: TRY400


class Following:
    """What one gateway works by.

    Args:
        installation, surroundings, reader: Where it is read from, and what it is for.
        leases, admission, networks, answers, certificates, realms, radius, logins, projector: Who work by it.
        there: Gives the peers that are there.
        order: Hands an order to the engine.
        disconnect: Ends the session of a peer.
    """

    def __init__(
        self,
        installation: Installation,
        surroundings: Surroundings,
        reader: DatabaseThread,
        *,
        leases: Leases,
        admission: Admission,
        networks: NetworksBehind,
        answers: Answers,
        certificates: ClientCertificates,
        realms: Realms,
        radius: Radius,
        logins: Logins,
        projector: Projector,
        there: Callable[[], Collection[int]],
        order: Callable[[Command], None],
        disconnect: Callable[[int, str], None],
    ) -> None:
        self._installation = installation
        self._database = installation.database
        self._surroundings = surroundings
        self._reader = reader
        self._leases = leases
        self._admission = admission
        self._networks = networks
        self._answers = answers
        self._certificates = certificates
        self._realms = realms
        self._radius = radius
        self._logins = logins
        self._projector = projector
        self._there = there
        self._order = order
        self._disconnect = disconnect
        self._compiled: Compiled | None = None
        self._keeper_problem: Problem | None = None
        self._look_again = False

    def pool_name(self, key: int) -> str:
        """Give the name of a pool; empty: nobody knows it."""
        return self._compiled.pool_names.get(key, "") if self._compiled else ""

    def problems(self) -> list[Problem]:
        """Say what of it cannot be done."""
        problems = list(self._compiled.problems) if self._compiled else []
        return problems + ([self._keeper_problem] if self._keeper_problem is not None else [])

    async def run(self, carry_out_commands: Callable[[], Awaitable[None]]) -> None:
        """Follow until cancelled.

        Args:
            carry_out_commands: Does what is pending.
        """
        while True:
            await undaunted(self._read_feed(carry_out_commands))
            await asyncio.sleep(_RETRY_SECONDS)  # the connection was lost; a new feed tells everything again

    async def _read_feed(self, carry_out_commands: Callable[[], Awaitable[None]]) -> None:
        async with aclosing(changes.feed(self._database)) as feed:
            async for topics in feed:
                await self._logins.follow(topics)
                if "settings" in topics:
                    await level.obey(self._installation)
                if "commands" in topics:
                    await carry_out_commands()
                if topics & _FOLLOWED:
                    await self.reload(topics)
                if topics & _CERTIFICATES:
                    self._certificates.end_revoked(self._there(), self._disconnect)
                if "users" in topics:
                    await self._look_at_users()
                    # Who was being let in at this moment will be a session by then.
                    self._look_again = True

    async def reload(self, topics: frozenset[str] = _CONFIGURATION) -> None:
        """Work by what is configured now; sessions keep what they were given."""
        if "pools" in topics:  # a large pool is many rows: read in the thread, and not for every change
            self._leases.load(await self._reader.run(read_leases))
        async with self._database.snapshot() as session:
            if "realms" in topics:
                await self._realms.reload(session)
            rows = await compiling.read(session)
            self._certificates.reconfigure(await client_certificates.read(session))
        if "realms" in topics:
            await self._radius.follow()
        # Reading private keys takes tens of milliseconds.
        compiled = await asyncio.to_thread(
            compiling.compile_rows,
            rows,
            self._installation.master_key,
            force_encapsulation=self._surroundings.data_plane_name == "userspace",
        )
        if compiled == self._compiled:
            return
        self._compiled = compiled
        self._answers.reconfigure(compiled)
        self._leases.reserve(compiled.reserved)
        self._admission.reconfigure(compiled.policies, {name: key for key, name in compiled.pool_names.items()})
        self._admission.review({})
        self._order(Reconfigure(compiled.policy))
        for problem in compiled.problems:
            logger.warning(problem.what, remedy=problem.remedy)
        logger.info("configured", profiles=[profile.name for profile in compiled.policy.profiles])
        for holder, why in self._networks.reconfigure(compiled.networks):
            self._disconnect(holder.peer_id, f"a network behind the client cannot be there any more: {why}")
        await self._serve_networks(compiled.networks)
        self._projector.beat()

    async def _serve_networks(self, networks: tuple[VirtualNetwork, ...]) -> None:
        if self._surroundings.keeper is None:
            return
        self._keeper_problem = None
        try:
            await self._surroundings.keeper.perform(ServeNetworks(networks))
        except OperationFailed as failure:
            self._keeper_problem = Problem(f"routes and firewall are not set: {failure}", "coati doctor")
            logger.error(self._keeper_problem.what, remedy=self._keeper_problem.remedy)  # noqa: TRY400

    async def look_again(self) -> None:
        """Look at users once more when some changed: who was being let in at that moment is a session by now."""
        if self._look_again:
            self._look_again = False
            await self._look_at_users()

    async def _look_at_users(self) -> None:
        """End the sessions of local users who were disabled or removed; let the others reach what they may now."""
        accounts = {stay.account for stay in self._projector.live.values() if stay.account is not None}
        if not accounts:
            return
        async with self._database.snapshot() as session:
            users = await of_accounts(session, sorted(accounts))
        self._admission.review(
            {key: (user.group, AccessPolicy.model_validate(user.policy)) for key, user in users.items()}
        )
        for peer_id, stay in list(self._projector.live.items()):
            user = users.get(stay.account) if stay.account is not None else None
            if stay.account not in accounts or (user is not None and user.enabled):
                continue
            what = "disabled" if user is not None else "removed"
            self._disconnect(peer_id, f"user {stay.user!r} was {what}")
