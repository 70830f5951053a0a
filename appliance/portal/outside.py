"""Asking realms that only a gateway can ask: a command with the password, sealed to that gateway, and its outcome.

The password is in the table until its outcome is known, or was awaited for too long (``commands.confidential`` says why
it is worth nothing to whoever copies the table).
"""

from typing import Final, Literal, Self

from pydantic import SecretStr, ValidationError

from appliance.commands import service as commands
from appliance.errors import Invalid, OutOfReach
from appliance.installation import Actor, Installation
from appliance.models import Verb
from appliance.realms import service as realms
from appliance.schema import Schema

PATIENCE_SECONDS: Final = 30.0


class Question(Schema):
    """Who wants in: the arguments of ``judge-login``.

    Attributes:
        login: As typed, with the realm if it was.
        source: Address of the browser.
        realms: Those that may judge, in this order.
        after: The command whose challenge this answers, on the same gateway.
    """

    login: str
    source: str
    realms: tuple[str, ...] = ()
    after: int | None = None


class Judged(Schema):
    """What the gateway found: the result of ``judge-login``."""

    verdict: Literal["accepted", "challenged", "rejected", "unavailable"]
    user: str = ""
    realm: str = ""
    account: int | None = None
    message: str = ""


class Asked(Schema):
    """A challenge that waits for the user's answer.

    Attributes:
        node: Which gateway waits.
        command: Which command was challenged.
        realms: Those that might judge.
    """

    node: str
    command: int
    message: str
    realms: tuple[str, ...] = ()

    @classmethod
    def of(cls, judged: Judged, node: str, command: int, realms: tuple[str, ...]) -> Self:
        """Note what was asked, and by whom."""
        return cls(node=node, command=command, message=judged.message, realms=realms)


async def ask(
    installation: Installation, actor: Actor, question: Question, secret: SecretStr, *, node: str = ""
) -> tuple[Judged, str, int]:
    """Have a gateway judge; gives what it found, which gateway that was, and the number of the command.

    Raises:
        OutOfReach: no gateway serves, or it does not answer.
    """
    arguments = question.model_dump(mode="json")
    try:
        async with installation.transaction(actor) as work:
            gateway = (await realms.gateway(work, node)).name
            order = await commands.order_from(work, Verb.JUDGE_LOGIN, gateway, arguments, secret)
    except Invalid as failure:
        raise OutOfReach("your password cannot be checked now", remedy="try again in a few minutes") from failure
    try:
        await commands.outcome(installation, actor, order, PATIENCE_SECONDS)
    finally:
        async with installation.transaction(actor) as work:
            done = await commands.settle(work, order.id)
    try:
        judged = Judged.model_validate(done.result)
    except ValidationError:
        judged = Judged(verdict="unavailable")
    if judged.verdict == "unavailable":
        raise OutOfReach("your password cannot be checked now", remedy="try again in a few minutes")
    return judged, gateway, order.id
