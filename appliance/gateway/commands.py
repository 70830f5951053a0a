"""Carries out the commands that the panel, the API or the command line left for this gateway."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import select

from appliance import models
from appliance.auth.realm import RealmTest
from appliance.auth.verdicts import Attempt
from appliance.gateway.associations import of_session
from appliance.master_key import Unsealable
from appliance.models import CommandOutcome, Verb
from appliance.models.columns import now
from appliance.policy.service import values
from appliance.portal.outside import Judged, Question
from appliance.transcripts.stored import pack
from ike_engine.actions import Disconnect, RekeyChildren
from ike_engine.events import Goodbye

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from appliance.commands.confidential import CommandKey
    from appliance.database import Database
    from appliance.gateway.authentication.portal_logins import PortalLogins
    from appliance.gateway.authentication.realms import Realms
    from appliance.gateway.record.projector import Projector
    from appliance.gateways.schemas import Inventory
    from ike_engine.actions import Command
    from ike_engine.child_sa import ChildLife
    from ike_engine.transcript import TranscriptLine

logger = structlog.get_logger(__name__)

_LONGEST_TEST_SECONDS: Final = 60.0


class Commands:
    """The pending commands of one gateway.

    Args:
        node: Its name in the database.
        order: Hands an order to the engine.
        reload: Reads the configuration again.
        realms: Those that can be tested.
        portal_logins: Judges logins on the portal.
        key: Opens what commands carry sealed.
        transcript: Asks the engine what was said to a peer and by it.
        child_lives: Asks the engine what the clocks of a peer's Child SAs say.
        inventory: Asks the data plane what it holds.
        flush: Has what is noted written, so that sessions know their keys.
        made_way: Is told of each peer whose session another gateway wanted ended.
    """

    def __init__(
        self,
        node: str,
        database: Database,
        projector: Projector,
        *,
        order: Callable[[Command], None],
        reload: Callable[[], Awaitable[object]],
        flush: Callable[[], Awaitable[object]],
        made_way: Callable[[int], None],
        realms: Realms,
        portal_logins: PortalLogins,
        key: CommandKey,
        inventory: Callable[[], Awaitable[Inventory]],
        transcript: Callable[[int], Sequence[TranscriptLine]],
        child_lives: Callable[[int], Sequence[ChildLife]],
    ) -> None:
        self._node = node
        self._database = database
        self._projector = projector
        self._order = order
        self._reload = reload
        self._flush = flush
        self._made_way = made_way
        self._realms = realms
        self._portal_logins = portal_logins
        self._key = key
        self._inventory = inventory
        self._transcript = transcript
        self._child_lives = child_lives
        self._judging: set[asyncio.Task[None]] = set()
        self._carried_out: set[int] = set()

    async def carry_out(self) -> None:
        """Carry out what is pending; outcomes are written together with what they caused."""
        pending = await self._pending()
        # An outcome that is still on its way to the table must not let its command look new.
        self._carried_out &= {command.id for command in pending}
        if pending:
            await self._flush()
        if any(command.verb is Verb.TEST_REALM and command.id not in self._carried_out for command in pending):
            await self._reload()  # whoever changed a realm a moment ago tries it as it is now
        peers = {stay.id: peer_id for peer_id, stay in self._projector.live.items()}
        for command in pending:
            if command.id in self._carried_out:
                continue
            self._carried_out.add(command.id)
            judge = {Verb.TEST_REALM: self._test_realm, Verb.JUDGE_LOGIN: self._judge_login}.get(command.verb)
            if judge is not None:  # may take as long as a server does not answer
                task = asyncio.create_task(judge(command))
                self._judging.add(task)
                task.add_done_callback(self._judging.discard)
                continue
            result = None
            try:
                if command.verb is Verb.DUMP_SAD:
                    result = (await self._inventory()).model_dump(mode="json")
                elif command.verb is Verb.TRANSCRIPT:
                    result = self._said(peers.get(command.session_id))
                outcome, message = await self._do(command, peers)
            except (TimeoutError, ConnectionError):
                outcome, message = CommandOutcome.FAILED, "the data plane does not answer"
            except Exception as error:
                logger.exception("carrying out a command", verb=command.verb.value, command=command.id)
                outcome, message = CommandOutcome.FAILED, f"unexpected {type(error).__name__}; see the gateway's log"
            self._projector.command_finished(command.id, outcome, message, result)
            logger.info(
                "command",
                verb=command.verb.value,
                by=command.created_by,
                session=command.session_id,
                outcome=outcome.value,
                message=message,
            )

    async def _pending(self) -> Sequence[models.Command]:
        async with self._database.snapshot() as session:
            rows = await session.scalars(
                select(models.Command)
                .where(models.Command.node == self._node, models.Command.outcome == CommandOutcome.PENDING)
                .order_by(models.Command.id)
            )
            return rows.all()

    async def _do(self, command: models.Command, peers: Mapping[int | None, int]) -> tuple[CommandOutcome, str]:
        if command.verb is Verb.RELOAD:
            await self._reload()
            return CommandOutcome.DONE, "the configuration was read again"
        if command.verb is Verb.DUMP_SAD:
            return CommandOutcome.DONE, "what the data plane holds"
        if command.verb is Verb.DISCONNECT and "peer" in command.arguments:  # from another gateway
            goodbye = Goodbye(command.arguments["goodbye"])
            peer = int(command.arguments["peer"])
            self._order(Disconnect(peer, command.reason, goodbye))
            self._made_way(peer)
            return CommandOutcome.DONE, "disconnected, if it was there"
        peer_id = peers.get(command.session_id) if command.session_id is not None else None
        if peer_id is None or peer_id not in self._projector.live:
            return CommandOutcome.DONE, "the session had ended already"
        if command.verb is Verb.DISCONNECT:
            self._order(Disconnect(peer_id, command.reason or f"disconnected by {command.created_by}"))
            return CommandOutcome.DONE, "disconnected"
        if command.verb is Verb.TRANSCRIPT:
            return CommandOutcome.DONE, "what was said so far"
        self._order(RekeyChildren(peer_id))
        return CommandOutcome.DONE, "the rekeying has begun"

    def _said(self, peer_id: int | None) -> dict[str, Any] | None:
        stay = self._projector.live.get(peer_id) if peer_id is not None else None
        if stay is None:
            return None
        return {
            "transcript": pack(self._transcript(stay.peer_id), self._projector.moment),
            "associations": of_session(
                stay, self._child_lives(stay.peer_id), self._projector.moment, taken_at=now()
            ).model_dump(mode="json"),
            "policy": [each.model_dump() for each in values(stay.terms.effective)] if stay.terms is not None else [],
        }

    async def _test_realm(self, command: models.Command) -> None:
        name = str(command.arguments.get("realm", ""))
        try:
            async with asyncio.timeout(_LONGEST_TEST_SECONDS):
                tested = await self._realms[name].test(self._attempt(command))
        except Unsealable as failure:
            tested = RealmTest(passed=False, words=str(failure), remedy="try again")
        except KeyError:
            tested = RealmTest(
                passed=False, words=f"realm {name!r} is not in force here", remedy=f"coati realm set {name} --enable"
            )
        except TimeoutError:
            tested = RealmTest(passed=False, words=f"nothing came of it within {_LONGEST_TEST_SECONDS:.0f} s")
        except Exception as error:
            logger.exception("testing a realm", realm=name)
            tested = RealmTest(passed=False, words=f"unexpected {type(error).__name__}; see the gateway's log")
        outcome = CommandOutcome.DONE if tested.passed else CommandOutcome.FAILED
        logger.info("realm tested", realm=name, by=command.created_by, passed=tested.passed, words=tested.words)
        self._projector.command_finished(command.id, outcome, tested.words, asdict(tested))

    async def _judge_login(self, command: models.Command) -> None:
        try:
            question = Question.model_validate(command.arguments)
            outcome, message, judged = await self._portal_logins.judge(command.id, question, self._key.open(command))
        except Unsealable as failure:
            outcome, message, judged = CommandOutcome.FAILED, str(failure), Judged(verdict="unavailable")
        except Exception as error:
            logger.exception("judging a login on the portal", command=command.id)
            message = f"unexpected {type(error).__name__}; see the gateway's log"
            outcome, judged = CommandOutcome.FAILED, Judged(verdict="unavailable")
        self._projector.command_finished(command.id, outcome, message, judged.model_dump(mode="json"))

    def _attempt(self, command: models.Command) -> Attempt | None:
        if command.secret is None:
            return None
        user = str(command.arguments.get("user", ""))
        return Attempt(
            username=user,
            password=self._key.open(command),
            source="127.0.0.1",
            profile=str(command.arguments.get("profile", "")),
            login=user,
            local_address="127.0.0.1",
            attempt_id=f"test-{command.id}",
        )
