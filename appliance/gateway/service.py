"""One gateway: the engine in its event loop, and around it what keeps it and the database in step.

datagrams -> shard -> endpoint -> questions -> answers -> realms, leases
                         |
                         +------> events ---> projector -> group commit -> database
database -> change feed -> following -> Reconfigure, commands
"""

from __future__ import annotations

import asyncio
import itertools
import os
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from appliance.auth.remembered_passwords import RememberedPasswords
from appliance.certificates.outside import RevocationService
from appliance.commands.confidential import CommandKey
from appliance.gateway.admission.leases import Leases
from appliance.gateway.admission.limits import Limits
from appliance.gateway.admission.networks_behind import NetworksBehind
from appliance.gateway.admission.reachability import Reachability
from appliance.gateway.admission.shared_pools import SharedPools
from appliance.gateway.admission.simultaneous_sessions import SimultaneousSessions
from appliance.gateway.admission.terms import Admission
from appliance.gateway.admission.transfers import Transfers, forget_old_transfers
from appliance.gateway.answers import Answers
from appliance.gateway.associations import inventory
from appliance.gateway.authentication.client_certificates import ClientCertificates
from appliance.gateway.authentication.logins import Logins
from appliance.gateway.authentication.portal_logins import PortalLogins
from appliance.gateway.authentication.realms import Realms, RealmTools
from appliance.gateway.commands import Commands
from appliance.gateway.compile import Problem
from appliance.gateway.following import Following, undaunted
from appliance.gateway.radius import Radius
from appliance.gateway.record.database_thread import DatabaseThread
from appliance.gateway.record.group_commit import GroupCommit
from appliance.gateway.record.projector import Projector, Status
from appliance.gateway.record.retention import sweep
from appliance.gateway.record.sampler import Sampler
from appliance.gateway.record.transcripts import Transcripts
from appliance.gateway.restart.orphans import Orphans
from appliance.gateway.restart.resumption import go_on
from appliance.gateway.restart.stored_stays import StoredStays
from appliance.gateway.restart.takeover import take_over
from appliance.models.columns import now as utc_now
from ike_engine.actions import Disconnect
from ike_engine.dataplane.interface import QueryCounters
from ike_engine.endpoint import Endpoint
from ike_engine.events import Event, Goodbye, PeerGone
from ike_engine.policy import Policy
from ike_engine.runtime.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from appliance.auth.verdicts import Claim
    from appliance.gateway.record.observers import SessionObserver
    from appliance.gateway.record.stay import Stay, Whose
    from appliance.gateway.restart.stored_stays import Found
    from appliance.gateway.surroundings import Surroundings
    from appliance.gateways.schemas import Inventory
    from appliance.installation import Installation
    from ike_engine.actions import PeerDescription
    from ike_engine.dataplane.interface import ChildCounters

logger = structlog.get_logger(__name__)

_BEAT_SECONDS: Final = 2.0
_FIRST_COUNTERS_SECONDS: Final = 15.0
_LAST_COUNTERS_SECONDS: Final = 2.0
_INVENTORY_SECONDS: Final = 30.0
_LAST_WRITES_AFTER_SECONDS: Final = (0.0, 0.5, 1.0)
_BEATS_BETWEEN_SWEEPS: Final = 1800
_BEATS_BETWEEN_READS: Final = 15
_BEATS_BETWEEN_SHARED_READS: Final = 2
_BEATS_BETWEEN_BLOCKED: Final = 5


class Gateway:
    """Serves clients until it is told to stop."""

    def __init__(self, installation: Installation, surroundings: Surroundings) -> None:
        settings = installation.settings
        self._node = settings.node_name
        self._installation = installation
        self._database = installation.database
        self._surroundings = surroundings
        self._serving = False
        url = settings.effective_database_url
        self._reader = DatabaseThread(url, "database-reader", writes=False)
        self._writer = DatabaseThread(url, "database-writer", writes=True)
        self._endpoint = Endpoint(
            Policy(),
            entropy=os.urandom,
            wall_clock=utc_now,
            # Later than any number of an earlier life, unless that one had 65,536 clients a second.
            first_peer_id=int(utc_now().timestamp()) << 16,
        )
        self._leases = Leases()
        self._command_key = CommandKey(self._node, installation.master_key)
        keeper = surroundings.keeper
        self._reachability = Reachability(keeper)
        self._networks = NetworksBehind(keeper.perform if keeper is not None else None)
        self._transfers = Transfers(utc_now, postgresql_dialect=not installation.database.is_sqlite)
        self._shares = not installation.database.is_sqlite  # with other gateways
        self._sessions = SimultaneousSessions(self._writer if self._shares else None, disconnect=self.disconnect)
        self._admission = Admission(
            self._node,
            self._leases,
            SharedPools(self._node, self._leases, self._writer if self._shares else None),
            self._reachability,
            self._networks,
            self._sessions,
            self._transfers,
            disconnect=self.disconnect,
            catch_up=(lambda whose: undaunted(self._read_transfers({whose}))) if self._shares else None,
        )
        self._limits = Limits(self._transfers, self.disconnect)
        noted = asyncio.Event()
        self._logins = Logins(
            installation,
            self._reader,
            self._writer,
            demand=self._admission.second_factor,
            pam=surroundings.pam,
            wake=noted.set,
        )
        tools = RealmTools(
            installation=installation,
            reader=self._reader,
            passwords=RememberedPasswords(),
            pam=self._logins.pam,
        )
        self._realms = Realms(self._logins.chain, tools)
        self._revocations = RevocationService()
        self._certificates = ClientCertificates(self._revocations)
        self._answers = Answers(self._logins.chain, self._admission, self._certificates)
        self._radius = Radius(
            installation,
            self._realms,
            self._reader,
            self._writer,
            live=lambda: self._projector.live,
            disconnect=self.disconnect,
            change=self._alter,
            wake=noted.set,
        )
        self._stored = StoredStays(
            self._node,
            installation.master_key,
            store=self._endpoint.store,
            live=lambda: self._projector.live,
            postgresql_dialect=not installation.database.is_sqlite,
        )
        self._observers: list[SessionObserver] = [
            self._transfers,
            self._sessions,
            self._limits,
            Sampler(self._node),
            Transcripts(self._node),
            *self._logins.observers,
            self._radius.recorder,
            self._stored,
        ]
        self._projector = Projector(
            self._node,
            self._leases,
            pool_name=lambda key: self._following.pool_name(key),  # noqa: PLW0108  made below
            wake=noted.set,
            query_counters=lambda spis: surroundings.data_plane.submit(QueryCounters(spis)),
            status=self._status,
            observers=self._observers,
        )
        self._group_commit = GroupCommit(self._writer, self._projector.collect, noted)
        self._orphans = Orphans(surroundings.data_plane)
        self._shard = Shard(
            self._endpoint,
            plain=surroundings.plain,
            nat_t=surroundings.nat_t,
            data_plane=surroundings.data_plane,
            answer=self._answers.answer,
            on_event=self._on_event,
        )
        surroundings.data_plane.subscribe(self._projector.on_report)
        surroundings.data_plane.subscribe(self._orphans.on_report)
        self._following = Following(
            installation,
            surroundings,
            self._reader,
            leases=self._leases,
            admission=self._admission,
            networks=self._networks,
            answers=self._answers,
            certificates=self._certificates,
            realms=self._realms,
            radius=self._radius,
            logins=self._logins,
            projector=self._projector,
            there=self._there,
            order=self._shard.command,
            disconnect=self.disconnect,
        )
        self._commands = Commands(
            self._node,
            self._database,
            self._projector,
            order=self._shard.command,
            reload=self._following.reload,
            flush=self._group_commit.flush,
            made_way=partial(self._sessions.made_way, self._node),
            realms=self._realms,
            portal_logins=PortalLogins(self._logins.chain),
            key=self._command_key,
            inventory=self._inventory,
            transcript=self._endpoint.transcript,
            child_lives=self._endpoint.child_lives,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, then say goodbye to every client and write down how it ended.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is out of reach at the start.
            TimeoutError: the data plane does not answer.
        """
        try:
            async with asyncio.timeout(_FIRST_COUNTERS_SECONDS):  # the esp process may be starting as well
                held = await self._surroundings.data_plane.counters()
            found = await self._take_over(held)
            await self._logins.start()
            await self._following.reload()
            await self._reachability.begin(orphans=bool(held))
            await self._networks.begin(orphans=bool(held))
            await self._go_on(found, held)
            await self._read_transfers()
            self._shard.start()
            self._serving = True
            self._projector.beat()
            logger.info(
                "serving",
                ike=str(self._surroundings.plain.local),
                nat_t=str(self._surroundings.nat_t.local),
                data_plane=self._surroundings.data_plane_name,
                why=self._surroundings.data_plane_reason,
            )
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(work)
                    for work in (
                        self._group_commit.run(),
                        self._following.run(self._commands.carry_out),
                        self._live(),
                        self._certificates.watch_outside(self._there, self.disconnect),
                        self._radius.run(),
                    )
                ]
                await stop.wait()
                for task in running:
                    task.cancel()
        finally:
            await self._end()

    # ---- at the start and at the end ------------------------------------------------------------------

    async def _take_over(self, held: Sequence[ChildCounters]) -> list[Found]:
        now = utc_now()
        node = self._surroundings.node(self._installation.settings, self._command_key.published, now)
        async with self._database.transaction() as session:
            found = await self._stored.find(session, held)
            left_behind = await take_over(session, node, now)
        if left_behind:
            logger.warning("sessions of a gateway that crashed were ended", sessions=left_behind)
        for each in found:  # from here on their ends are written down
            self._projector.adopt(each.stay)
        return found

    async def _go_on(self, found: Sequence[Found], held: Sequence[ChildCounters]) -> None:
        def resumed(stay: Stay, peer: PeerDescription) -> None:
            self._certificates.note(stay.peer_id, peer)
            self._projector.resumed(stay)

        carried = await go_on(
            found,
            admission=self._admission,
            engine=self._endpoint,
            resumed=resumed,
            on_event=self._on_event,
            at=utc_now(),
            now=asyncio.get_running_loop().time(),
        )
        self._orphans.watch(child for child in held if child.inbound_spi not in carried)

    async def _end(self) -> None:
        """Say goodbye to everybody, then write it down; neither may take long."""
        for peer_id in {*self._projector.live, *self._leases.peers()}:
            self._say_goodbye(peer_id)
        try:
            async with asyncio.timeout(_LAST_COUNTERS_SECONDS):
                await self._surroundings.data_plane.counters()  # answered after those of the Child SAs removed
        except (TimeoutError, ConnectionError):
            pass
        await self._shard.close()
        self._radius.recorder.shut_down()
        await self._logins.close()
        self._serving = False
        self._projector.beat()
        for pause in _LAST_WRITES_AFTER_SECONDS:
            await asyncio.sleep(pause)
            if await self._group_commit.flush():
                break
        else:
            logger.error("the last events could not be written; the next gateway will find the sessions open")
        await self._radius.end()
        await self._realms.close()
        self._revocations.close()
        await self._reader.close()
        await self._writer.close()

    def _say_goodbye(self, peer_id: int) -> None:
        try:
            self._shard.command(Disconnect(peer_id, "the gateway is shutting down", Goodbye.SHUTDOWN))
        except Exception:
            logger.exception("saying goodbye to a client")  # the others are to hear it all the same

    # ---- all the time ---------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Show that we live, and have the data plane count."""
        for number in itertools.count():
            self._surroundings.data_plane.submit(QueryCounters())
            self._projector.beat()
            self._limits.look(utc_now())
            if not len(self._orphans):
                await self._networks.forget_others()
            if number % _BEATS_BETWEEN_BLOCKED == 0:
                self._projector.on_blocked(await self._reachability.blocked())
            if number % _BEATS_BETWEEN_READS == 0:
                await undaunted(self._read_transfers())
            elif self._shares and number % _BEATS_BETWEEN_SHARED_READS == 0 and (users := self._limits.with_quotas()):
                await undaunted(self._read_transfers(users))
            if number % _BEATS_BETWEEN_SWEEPS == 0:
                await undaunted(self._forget_old())
                await undaunted(self._logins.forget())
            await undaunted(self._following.look_again())
            await asyncio.sleep(_BEAT_SECONDS)

    def _status(self) -> Status:
        problems = [*self._surroundings.problems, *self._following.problems(), *self._logins.problems()]
        if self._reachability.problem:
            problems.append(Problem(self._reachability.problem, "coati doctor"))
        problems += self._radius.problems()
        return Status(
            serving=self._serving,
            problems=tuple(problems),
            counters={
                "half_open": self._endpoint.half_open,
                "peers": self._endpoint.peers,
                "child_sas": self._endpoint.child_sas,
                "orphans": len(self._orphans),
                "datagrams": self._shard.counters.datagrams,
                "mishaps": self._shard.counters.mishaps,
                "transactions": self._writer.transactions,
                "realm_answers": self._logins.answers.as_counters(),
                "udp": {
                    "ike": asdict(self._surroundings.plain.counters),
                    "natt": asdict(self._surroundings.nat_t.counters),
                },
            },
            realms=self._realms.health(),
        )

    async def _inventory(self) -> Inventory:
        async with asyncio.timeout(_INVENTORY_SECONDS):
            held = await self._surroundings.data_plane.databases()
        name = self._surroundings.data_plane_name
        return inventory(self._projector.live, held, data_plane=name, taken_at=utc_now())

    async def _forget_old(self) -> None:
        await sweep(self._installation, f"gateway {self._node}", utc_now())
        await self._writer.run(partial(forget_old_transfers, today=utc_now().date()))

    async def _read_transfers(self, users: Collection[Whose] | None = None) -> None:
        if await self._group_commit.flush():  # else what is not known now is known before long
            await self._transfers.catch_up(self._reader, users)

    def _there(self) -> set[int]:
        return {*self._projector.live, *self._leases.peers()}

    def _on_event(self, event: Event) -> None:
        if isinstance(event, PeerGone):
            self._admission.gone(event.peer_id)
        self._stored.on_event(event)
        self._projector.on_event(event)

    def _alter(self, peer_id: int, stay: Stay, said: Callable[[Claim], Claim]) -> bool:
        """Have a session go on under other terms; tells whether it can."""
        terms = self._admission.alter(peer_id, said, stay.columns["started_at"])
        if terms is None:
            return False
        self._projector.altered(peer_id, terms)
        self._stored.altered(peer_id)
        self._limits.began(stay)
        return True

    def disconnect(self, peer_id: int, reason: str, goodbye: Goodbye = Goodbye.ADMINISTRATOR) -> None:
        """End a session, telling the client so; ``reason`` is for the record."""
        self._shard.command(Disconnect(peer_id, reason, goodbye))
