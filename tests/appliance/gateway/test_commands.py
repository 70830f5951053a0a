"""Commands are carried out once, and whoever gave them learns what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from appliance import models
from appliance.auth.chain import Chain
from appliance.auth.realm import RealmTest
from appliance.auth.throttle import Throttle
from appliance.commands import confidential
from appliance.commands.confidential import CommandKey
from appliance.gateway.authentication.portal_logins import PortalLogins
from appliance.gateway.commands import Commands
from appliance.gateways.schemas import HeldState, Inventory, SecurityAssociationView
from appliance.master_key import MasterKey, Sealed
from appliance.models import CommandOutcome, Verb
from appliance.models.columns import now
from ike_engine.actions import Command, Disconnect, RekeyChildren
from ike_engine.child_sa import ChildLife
from ike_engine.events import Goodbye, PeerGone
from ike_engine.secret import Secret
from ike_engine.transcript import TranscriptLine
from tests.appliance.gateway.recording import NODE, Recorder, eventually, spi

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.auth.verdicts import Attempt


class Engine:
    """Notes its orders; a peer that is disconnected is gone at once, as with the real one."""

    def __init__(self, recorder: Recorder) -> None:
        self.orders: list[Command | str] = []
        self._recorder = recorder

    def order(self, command: Command) -> None:
        self.orders.append(command)
        if isinstance(command, Disconnect):
            if command.reason == "crash":
                raise RuntimeError("a bug")
            gone = PeerGone(peer_id=command.peer_id, user="alice", goodbye=Goodbye.ADMINISTRATOR, reason=command.reason)
            self._recorder.tell(gone)

    def transcript(self, peer_id: int) -> tuple[TranscriptLine, ...]:
        return (TranscriptLine(at=1000.0, exchange="main mode", number=1, payloads=("SA",), says=f"peer {peer_id}"),)

    def child_lives(self, peer_id: int) -> tuple[ChildLife, ...]:
        clocks = {"rekeys_at": 4200.0, "ends_at": 4600.0, "rekeying": False, "replaced": False}
        return (ChildLife(inbound_spi=spi(peer_id), **clocks),)  # type: ignore[arg-type]

    async def reload(self) -> None:
        self.orders.append("reload")


@pytest.fixture
def engine(recorder: Recorder) -> Engine:
    return Engine(recorder)


MASTER_KEY = MasterKey(Secret(bytes(32)))
KEY = CommandKey(NODE, MASTER_KEY)


class Realms(dict[str, Any]):
    """Realms by name."""


@pytest.fixture
def realms() -> Realms:
    return Realms()


@pytest.fixture
def commands(recorder: Recorder, engine: Engine, realms: Realms) -> Commands:
    return Commands(
        NODE,
        recorder.database,
        recorder.projector,
        order=engine.order,
        reload=engine.reload,
        flush=recorder.group_commit.flush,
        made_way=lambda _: None,
        realms=realms,  # type: ignore[arg-type]
        portal_logins=PortalLogins(Chain((), Throttle())),
        key=KEY,
        inventory=inventory,
        transcript=engine.transcript,
        child_lives=engine.child_lives,
    )


async def inventory() -> Inventory:
    """The data plane holds one SA that nobody knows."""
    return INVENTORY


INVENTORY = Inventory(
    data_plane="xfrm",
    taken_at=now(),
    sad=[SecurityAssociationView(state=HeldState.ORPHAN, direction="in", spi="0000dead")],
    spd=[],
)


@pytest.fixture
def leave(recorder: Recorder) -> Callable[..., Any]:
    """Leave a command for a gateway; gives its key."""

    async def leave(verb: Verb, session_id: int | None = None, **more: Any) -> int:
        async with recorder.database.transaction() as session:
            values = {"node": NODE, "verb": verb, "session_id": session_id, "created_by": "administrator bob"} | more
            session.add(command := models.Command(**values))
            await session.flush()
            return command.id

    return leave


async def outcomes(recorder: Recorder) -> list[tuple[CommandOutcome, str]]:
    return [(row.outcome, row.message) for row in await recorder.rows(models.Command)]


async def connected(recorder: Recorder) -> models.Session:
    """The one session that there is."""
    recorder.connect(7)
    await recorder.flush()
    (live,) = await recorder.live()
    return live


async def test_a_session_is_disconnected_in_the_words_of_who_wants_it(
    recorder: Recorder, engine: Engine, commands: Commands, leave: Callable[..., Any]
) -> None:
    live = await connected(recorder)
    await leave(Verb.DISCONNECT, live.id, reason="maintenance at noon")
    with capture_logs() as lines:
        await commands.carry_out()
    await recorder.flush()
    assert engine.orders == [Disconnect(7, "maintenance at noon")]
    (session,) = await recorder.rows(models.Session)
    assert (session.goodbye, session.goodbye_reason) == ("administrator", "maintenance at noon")
    assert await recorder.taken() == []
    assert await outcomes(recorder) == [(CommandOutcome.DONE, "disconnected")]
    line = next(line for line in lines if line["event"] == "command")
    assert (line["verb"], line["by"], line["outcome"]) == ("disconnect", "administrator bob", "done")


async def test_without_a_reason_it_says_who(
    recorder: Recorder, engine: Engine, commands: Commands, leave: Callable[..., Any]
) -> None:
    live = await connected(recorder)
    await leave(Verb.DISCONNECT, live.id)
    await commands.carry_out()
    assert engine.orders == [Disconnect(7, "disconnected by administrator bob")]


async def test_rekey_and_reload(
    recorder: Recorder, engine: Engine, commands: Commands, leave: Callable[..., Any]
) -> None:
    live = await connected(recorder)
    await leave(Verb.REKEY, live.id)
    await leave(Verb.RELOAD)
    await commands.carry_out()
    await recorder.flush()
    assert engine.orders == [RekeyChildren(7), "reload"]
    assert [outcome for outcome, _ in await outcomes(recorder)] == [CommandOutcome.DONE, CommandOutcome.DONE]


async def test_a_session_that_ended_meanwhile_is_no_failure(
    recorder: Recorder, engine: Engine, commands: Commands, leave: Callable[..., Any]
) -> None:
    live = await connected(recorder)
    await leave(Verb.DISCONNECT, live.id)
    await leave(Verb.DISCONNECT, live.id)
    await commands.carry_out()
    await recorder.flush()
    assert len(engine.orders) == 1
    assert await outcomes(recorder) == [
        (CommandOutcome.DONE, "disconnected"),
        (CommandOutcome.DONE, "the session had ended already"),
    ]


async def test_a_session_whose_row_was_written_this_very_moment_is_found(
    recorder: Recorder, engine: Engine, commands: Commands, leave: Callable[..., Any]
) -> None:
    """The panel sees a row as soon as it is committed, which is before the gateway knows its key."""
    live = await connected(recorder)
    stay = recorder.projector.live[7]
    key, stay.id = stay.id, None
    await leave(Verb.DISCONNECT, live.id)
    real = recorder.group_commit.flush

    async def flush() -> bool:
        stay.id = key
        return await real()

    commands._flush = flush
    await commands.carry_out()
    assert engine.orders == [Disconnect(7, "disconnected by administrator bob")]


async def test_a_command_is_carried_out_once_although_its_outcome_is_not_written_yet(
    recorder: Recorder, engine: Engine, commands: Commands, leave: Callable[..., Any]
) -> None:
    await leave(Verb.RELOAD)
    commands._flush = recorder.noted.wait
    recorder.noted.set()
    for _ in range(3):
        await commands.carry_out()
    assert engine.orders == ["reload"]
    await recorder.flush()
    await commands.carry_out()
    assert engine.orders == ["reload"]
    assert commands._carried_out == set()


async def test_what_another_gateway_is_told_is_not_our_business(
    recorder: Recorder, engine: Engine, commands: Commands, leave: Callable[..., Any]
) -> None:
    await leave(Verb.RELOAD, node="gw2")
    await commands.carry_out()
    assert engine.orders == []
    assert recorder.projector.collect() is None


async def test_a_command_that_fails_says_so_and_the_next_is_carried_out(
    recorder: Recorder, commands: Commands, leave: Callable[..., Any]
) -> None:
    live = await connected(recorder)
    await leave(Verb.DISCONNECT, live.id, reason="crash")
    await leave(Verb.RELOAD)
    with capture_logs() as lines:
        await commands.carry_out()
    await recorder.flush()
    assert await outcomes(recorder) == [
        (CommandOutcome.FAILED, "unexpected RuntimeError; see the gateway's log"),
        (CommandOutcome.DONE, "the configuration was read again"),
    ]
    assert [line["exc_info"] for line in lines if line["log_level"] == "error"] == [True]


class Tried:
    """A realm that is tried."""

    def __init__(self, outcome: RealmTest | Exception) -> None:
        self.outcome = outcome
        self.asked: list[Attempt | None] = []

    async def test(self, attempt: Attempt | None) -> RealmTest:
        self.asked.append(attempt)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def finished(recorder: Recorder) -> models.Command:
    async def done() -> bool:
        await recorder.flush()
        return all(row.outcome is not CommandOutcome.PENDING for row in await recorder.rows(models.Command))

    await eventually(done)
    (command,) = await recorder.rows(models.Command)
    assert isinstance(command, models.Command)
    return command


def sealed(password: str, verb: Verb, arguments: dict[str, Any]) -> Sealed:
    node = models.Node(name=NODE, command_key=KEY.published)
    return confidential.seal(password, MASTER_KEY, node, verb, arguments)


async def test_a_realm_is_tried_and_the_password_is_forgotten(
    recorder: Recorder, commands: Commands, realms: Realms, leave: Callable[..., Any]
) -> None:
    passed = RealmTest(passed=True, words="'alice' may come in", round_trip_seconds=0.25, facts=(("server", "a"),))
    realms["corp"] = realm = Tried(passed)
    arguments = {"realm": "corp", "user": "alice", "profile": "staff"}
    await leave(Verb.TEST_REALM, arguments=arguments, secret=sealed("hunter2", Verb.TEST_REALM, arguments))
    await commands.carry_out()
    command = await finished(recorder)
    (attempt,) = realm.asked
    assert attempt is not None
    assert (attempt.username, attempt.password, attempt.profile) == ("alice", b"hunter2", "staff")
    assert (command.outcome, command.message, command.secret) == (CommandOutcome.DONE, "'alice' may come in", None)
    assert command.result is not None
    assert (command.result["round_trip_seconds"], command.result["facts"]) == (0.25, [["server", "a"]])


async def test_a_password_for_another_life_of_the_gateway_is_not_judged_but_forgotten(
    recorder: Recorder, commands: Commands, realms: Realms, leave: Callable[..., Any]
) -> None:
    realms["corp"] = realm = Tried(RealmTest(passed=True, words="in"))
    arguments = {"realm": "corp", "user": "alice"}
    earlier = models.Node(name=NODE, command_key=CommandKey(NODE, MASTER_KEY).published)
    secret = confidential.seal("hunter2", MASTER_KEY, earlier, Verb.TEST_REALM, arguments)
    await leave(Verb.TEST_REALM, arguments=arguments, secret=secret)
    await commands.carry_out()
    command = await finished(recorder)
    assert (command.outcome, command.secret, realm.asked) == (CommandOutcome.FAILED, None, [])
    assert "earlier start" in command.message


async def test_a_realm_that_fails_its_test_or_is_not_there_is_a_failure_in_words(
    recorder: Recorder, commands: Commands, realms: Realms, leave: Callable[..., Any]
) -> None:
    realms["corp"] = Tried(RealmTest(passed=False, words="no answer within 3 s", remedy="look at the server"))
    await leave(Verb.TEST_REALM, arguments={"realm": "corp"})
    await commands.carry_out()
    command = await finished(recorder)
    assert (command.outcome, command.message) == (CommandOutcome.FAILED, "no answer within 3 s")
    assert command.result is not None
    assert command.result["remedy"] == "look at the server"


async def test_a_bug_in_a_realms_test_and_a_realm_that_is_gone_end_the_command_too(
    recorder: Recorder, commands: Commands, realms: Realms, leave: Callable[..., Any]
) -> None:
    realms["corp"] = Tried(RuntimeError("a bug"))
    await leave(Verb.TEST_REALM, arguments={"realm": "corp"})
    await leave(Verb.TEST_REALM, arguments={"realm": "gone"})
    with capture_logs():
        await commands.carry_out()

        async def done() -> bool:
            await recorder.flush()
            return all(row.outcome is CommandOutcome.FAILED for row in await recorder.rows(models.Command))

        await eventually(done)
    said = [message for _, message in await outcomes(recorder)]
    assert said == ["unexpected RuntimeError; see the gateway's log", "realm 'gone' is not in force here"]


async def test_what_the_data_plane_holds_is_the_result(
    commands: Commands, recorder: Recorder, leave: Callable[..., Any]
) -> None:
    key = await leave(Verb.DUMP_SAD)
    await commands.carry_out()
    await recorder.flush()
    (row,) = [row for row in await recorder.rows(models.Command) if row.id == key]
    assert row.outcome is CommandOutcome.DONE
    assert Inventory.model_validate(row.result) == INVENTORY


async def test_a_data_plane_that_does_not_answer_is_no_bug(
    commands: Commands, recorder: Recorder, leave: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent() -> Inventory:
        raise TimeoutError

    monkeypatch.setattr(commands, "_inventory", silent)
    await leave(Verb.DUMP_SAD)
    with capture_logs() as lines:
        await commands.carry_out()
    await recorder.flush()
    assert await outcomes(recorder) == [(CommandOutcome.FAILED, "the data plane does not answer")]
    assert [line["log_level"] for line in lines] == ["info"]
