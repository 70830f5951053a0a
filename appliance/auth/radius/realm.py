"""A realm that asks RADIUS servers (RFC 2865): logins, challenges with several rounds, tests, health."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
from pyrad import packet as radius

from appliance.auth.radius import mschapv2, replies
from appliance.auth.radius.attributes import Attributes
from appliance.auth.radius.dictionary import DICTIONARY
from appliance.auth.radius.requests import (
    MOST_PASSWORD_OCTETS,
    MOST_TEXT_OCTETS,
    Login,
    Nas,
    access_request,
)
from appliance.auth.radius.server import Answer, Silent
from appliance.auth.realm import Health, RealmHealth, RealmTest
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Unavailable, Verdict
from appliance.models.radius import PasswordMethod
from ike_engine.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.auth.radius.group import ServerGroup
    from appliance.auth.radius.server import Server, ServerPort

logger = structlog.get_logger(__name__)

_MOST_ROUNDS: Final = 10
_NOBODY: Final = "coati-test-nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """What accounting has to know of a login that RADIUS judged: ``Claim.accounting``.

    Attributes:
        session_id: Acct-Session-Id, the same as in the Access-Request.
        user: User-Name for the records.
        classes: Class, to echo.
    """

    session_id: str
    user: str
    classes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """Between two rounds of a login.

    Attributes:
        server: Key of the one that challenged: its State means nothing to the others.
        number: Of the round to come.
    """

    server: int
    state: bytes | None
    session_id: str
    number: int


class RadiusRealm:
    r"""The users that a group of RADIUS servers knows.

    Args:
        name: As the administrator calls it.
        group: The servers, where logins are asked of.
        accounting: Those of them that take accounting records.
        nas: Who we are to them.
        whole_name: Send the name as typed, ``user@realm`` or ``REALM\user``, for a server that chooses by it.
        prompt: What to ask for in further rounds; empty: by what the challenge says.
        wall_clock: Aware time.
    """

    def __init__(
        self,
        name: str,
        group: ServerGroup,
        *,
        nas: Nas,
        accounting: ServerGroup | None = None,
        whole_name: bool = False,
        prompt: str = "",
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.group = group
        self.accounting = accounting
        self.nas = nas
        self._whole_name = whole_name
        self._prompt = prompt
        self._health = Health(wall_clock)

    @property
    def servers(self) -> tuple[Server, ...]:
        """Its servers, as configured."""
        return tuple(port.server for port in self.group.ports)

    @property
    def takes_accounting(self) -> bool:
        """Whether it has a server that takes accounting records."""
        return self.accounting is not None and bool(self.accounting.ports)

    @property
    def health(self) -> RealmHealth:
        """How its servers are, from what they last did."""
        return self._health.now

    async def authenticate(self, attempt: Attempt) -> Verdict:
        """Judge one round of a login."""
        verdict, _ = await self._judge(attempt)
        return verdict

    async def test(self, attempt: Attempt | None) -> RealmTest:
        """Log somebody in, or see whether a server answers at all."""
        if attempt is None:
            return await self._knock()
        verdict, answer = await self._judge(attempt)
        if answer is None:
            return RealmTest.of(verdict, 0.0)
        return RealmTest.of(verdict, answer.round_trip_seconds, _facts(answer))

    async def close(self) -> None:
        """Close the sockets."""
        self.group.retire()
        if self.accounting is not None:
            self.accounting.retire()
        await asyncio.sleep(0)  # the loop does it in its next turn

    # ---- a login ----------------------------------------------------------------------------------

    async def _judge(self, attempt: Attempt) -> tuple[Verdict, Answer | None]:
        before = attempt.state if isinstance(attempt.state, _Round) else None
        username = attempt.login if self._whole_name and attempt.login else attempt.username
        password = attempt.password if before is None else attempt.answer or Secret(b"")
        if (refusal := _unfit(username, password)) is not None:
            return refusal, None
        login = Login(
            username=username,
            client=attempt.source,
            gateway=attempt.local_address,
            port=_port(attempt.attempt_id),
            session_id=before.session_id if before is not None else secrets.token_hex(8),
            state=before.state if before is not None else None,
        )
        proofs: dict[int, mschapv2.Exchange] = {}

        def make(server: Server, local_address: str) -> radius.Packet:
            proof: Secret | mschapv2.Exchange = password
            if server.method is PasswordMethod.MSCHAPV2 and before is None:  # what a user types later is no password
                proof = proofs[server.key] = mschapv2.prove(username, password.decode("utf-8", "replace"))
            return access_request(server, local_address, nas=self.nas, login=login, proof=proof)

        try:
            answer = await self.group.ask(make, only=before.server if before is not None else None)
        except Silent as silent:
            self._health.down(str(silent))
            return Unavailable(f"no RADIUS server of realm {self.name!r} answered: {silent}", _LOOK_AT_SERVERS), None
        self._answered()
        return self._verdict(answer, login, before, proofs.get(answer.port.server.key)), answer

    def _verdict(self, answer: Answer, login: Login, before: _Round | None, proof: mschapv2.Exchange | None) -> Verdict:
        attributes = Attributes(answer.reply)
        match answer.reply.code:
            case radius.AccessAccept:
                return self._accepted(answer, attributes, login, proof)
            case radius.AccessChallenge:
                return self._challenged(answer, attributes, login, before)
        why = replies.refusal(attributes)
        return Rejected(
            f"RADIUS server {answer.port} refused {login.username!r}" + (f": {why}" if why else ""),
            _SERVERS_LOG,
        )

    def _accepted(
        self, answer: Answer, attributes: Attributes, login: Login, proof: mschapv2.Exchange | None
    ) -> Verdict:
        if proof is not None and not any(map(proof.proves, attributes.octets("MS-CHAP2-Success"))):
            return Unavailable(
                f"RADIUS server {answer.port} accepted {login.username!r} without proof that it knows the password",
                "it must send MS-CHAP2-Success; if it cannot do MS-CHAPv2, set this server's method to pap",
            )
        granted = replies.granted(attributes)
        if granted.left_out:
            logger.warning("RADIUS attributes left out", realm=self.name, user=login.username, what=granted.left_out)
        user = granted.user or login.username
        accounted = Accounted(session_id=login.session_id, user=user, classes=granted.classes)
        return Accepted(
            user, Claim(realm=self.name, groups=granted.groups, attributes=granted.policy, accounting=accounted)
        )

    def _challenged(
        self, answer: Answer, attributes: Attributes, login: Login, before: _Round | None
    ) -> Challenged | Rejected:
        number = before.number + 1 if before is not None else 1
        if number > _MOST_ROUNDS:
            return Rejected(
                f"RADIUS server {answer.port} challenged {login.username!r} {number} times in one login", _SERVERS_LOG
            )
        message = replies.challenge_message(attributes)
        prompt = self._prompt or replies.prompt_for(attributes, message)
        state = next(iter(attributes.octets("State")), None)
        server = answer.port.server.key
        return Challenged(
            message, prompt, _Round(server=server, state=state, session_id=login.session_id, number=number)
        )

    # ---- how it is --------------------------------------------------------------------------------

    def _answered(self) -> None:
        dead = [port for port in self.group.ports if port.dead]
        if dead:
            self._health.degraded("; ".join(port.last_error for port in dead))
        else:
            self._health.ok()

    async def _knock(self) -> RealmTest:
        """Ask every server how it is."""
        ports = self.group.ports
        if not ports:
            words = f"realm {self.name!r} has no server"
            return RealmTest(passed=False, words=words, remedy=f"coati realm server add {self.name} ADDRESS")
        found = await asyncio.gather(*(self._knock_at(port) for port in ports))
        answers = [answer for answer in found if isinstance(answer, Answer)]
        if answers:
            self._answered()
        else:
            self._health.down("; ".join(map(str, found)))
        facts = [
            fact
            for port, outcome in zip(ports, found, strict=True)
            for fact in (
                _facts(outcome) if isinstance(outcome, Answer) else (("server", str(port)), ("silent", outcome))
            )
        ]
        return RealmTest(
            passed=bool(answers),
            words=f"{len(answers)} of {len(ports)} RADIUS servers answer",
            remedy="" if len(answers) == len(ports) else _LOOK_AT_SERVERS,
            round_trip_seconds=answers[0].round_trip_seconds if answers else None,
            facts=tuple(facts),
        )

    async def _knock_at(self, port: ServerPort) -> Answer | str:
        """Ask for the status (RFC 5997); a server that does not know that is asked about nobody, to hear a refusal."""
        why = ""
        for make in (self._status_server, self._nobody):
            try:
                return await self.group.ask(make, only=port.server.key)
            except Silent as silent:
                why = str(silent)
        return why

    def _status_server(self, server: Server, local_address: str) -> radius.Packet:
        request = radius.AuthPacket(code=radius.StatusServer, secret=bytes(server.secret), dict=DICTIONARY)
        request.authenticator = request.CreateAuthenticator()
        request.add_message_authenticator()
        self.nas.sign(request, local_address)
        return request

    def _nobody(self, server: Server, local_address: str) -> radius.Packet:
        login = Login(username=_NOBODY, client="127.0.0.1", gateway="", port=0, session_id=secrets.token_hex(8))
        password = Secret(secrets.token_hex(8).encode())
        return access_request(server, local_address, nas=self.nas, login=login, proof=password)


_SERVERS_LOG: Final = "the server's own log tells more"
_LOOK_AT_SERVERS: Final = (
    "see that the servers run, know this gateway's address as a client, and have the same secret: "
    "coati realm server list"
)


def _unfit(username: str, password: Secret) -> Rejected | None:
    """Say why RADIUS cannot carry such a login."""
    if not 1 <= len(username.encode()) <= MOST_TEXT_OCTETS:
        return Rejected(f"RADIUS carries user names of 1 to {MOST_TEXT_OCTETS} octets")
    if len(password) > MOST_PASSWORD_OCTETS:
        return Rejected(f"the password of {username!r} is longer than RADIUS carries: {MOST_PASSWORD_OCTETS} octets")
    return None


def _port(attempt_id: str) -> int:
    return int(attempt_id) if attempt_id.isdecimal() else zlib.crc32(attempt_id.encode())


def _facts(answer: Answer) -> tuple[tuple[str, str], ...]:
    return (
        ("server", str(answer.port)),
        ("answered", _CODES.get(answer.reply.code, str(answer.reply.code))),
        ("message authenticator", "in the reply, and right" if answer.signed else "not in the reply"),
        *((f"attribute {name}", value) for name, value in Attributes(answer.reply).shown()),
    )


_CODES: Final = {
    radius.AccessAccept: "Access-Accept",
    radius.AccessReject: "Access-Reject",
    radius.AccessChallenge: "Access-Challenge",
}
