"""Xauth (draft-beaulieu-ike-xauth-02), in transaction exchanges right after phase 1.

       Edge device                                Remote peer
    HDR*, HASH, ATTR(REQUEST: NAME, PASSWORD) -->
                                              <--  HDR*, HASH, ATTR(REPLY: NAME, PASSWORD)
  [ HDR*, HASH, ATTR(REQUEST: MESSAGE, PASSCODE | ANSWER | ...) -->
                                              <--  HDR*, HASH, ATTR(REPLY: PASSCODE | ANSWER | ...) ]
    HDR*, HASH, ATTR(SET: STATUS)             -->
                                              <--  HDR*, HASH, ATTR(ACK)

Every arrow pair is a transaction of its own message id. The rounds in brackets are there as often
as the verdict is a ``Challenge``: a RADIUS Access-Challenge, a one-time code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ike_engine.actions import (
    Accepted,
    AnswerPrompt,
    Authenticate,
    Challenge,
    Credentials,
    PeerDescription,
    Prompt,
    Rejected,
    Verdict,
)
from ike_engine.errors import AuthenticationFailed, Malformed, PeerFailed
from ike_engine.ikev1.messages import Transaction
from ike_engine.ikev1.numbers import TransactionType, XauthAttribute, XauthStatus
from ike_engine.ikev1.payloads import Attributes
from ike_engine.secret import Secret
from ike_engine.wire.attributes import Attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from ike_engine.exchange import Exchange, Transport
    from ike_engine.ikev1.isakmp_sa import IsakmpSa

PROMPTS = {
    Prompt.PASSWORD: XauthAttribute.USER_PASSWORD,
    Prompt.PASSCODE: XauthAttribute.PASSCODE,
    Prompt.ANSWER: XauthAttribute.ANSWER,
    Prompt.NEXT_PIN: XauthAttribute.NEXT_PIN,
}


async def initiate(
    x: Exchange, sa: IsakmpSa, description: PeerDescription, next_transaction: Callable[[], Transport]
) -> Accepted | Rejected:
    """The gateway's side: ask for a login until there is a verdict. The peer hears of it by ``tell``.

    Args:
        next_transaction: Gives the transport of a fresh message id, on which this exchange goes on.
    """
    patience = sa.served_by.xauth_timeout_seconds
    x.allow(patience)
    # quirk: racoon, Apple: a TYPE other than 0 is refused, so none is asked for.
    x.send(_request(Attribute(XauthAttribute.USER_NAME, b""), Attribute(XauthAttribute.USER_PASSWORD, b"")))
    reply = await x.receive(Transaction, proof=_is_reply)
    username, password = _text(reply, XauthAttribute.USER_NAME), _secret(reply, XauthAttribute.USER_PASSWORD)
    sa.xauth_username = username
    x.allow(patience)
    verdict: Verdict = await x.ask(Authenticate(peer=description, username=username, password=password))
    while isinstance(verdict, Challenge):
        prompt = PROMPTS[verdict.prompt]
        x.turn(next_transaction())
        x.allow(patience)
        x.send(_request(Attribute(XauthAttribute.MESSAGE, verdict.message.encode()), Attribute(prompt, b"")))
        reply = await x.receive(Transaction, proof=_is_reply)
        verdict = await x.ask(
            Authenticate(
                peer=description,
                username=username,
                password=password,
                answer=_secret(reply, prompt),
                state=verdict.state,
            )
        )
    return verdict


async def tell(x: Exchange, next_transaction: Callable[[], Transport], *, accepted: bool) -> None:
    """Send the STATUS and have it acknowledged.

    # quirk: vpnc 0.5.3: the SET must hold STATUS alone, in short form; what an ACK holds means nothing
    # (racoon echoes 0, vpnc 1, strongSwan an empty value).
    """
    status = XauthStatus.OK if accepted else XauthStatus.FAIL
    x.turn(next_transaction())
    x.send(
        Transaction(
            attributes=Attributes(type=TransactionType.SET, attributes=(Attribute(XauthAttribute.STATUS, int(status)),))
        )
    )
    await x.receive(Transaction)


async def respond(x: Exchange, credentials: Credentials) -> bool | None:
    """The client's side of one transaction.

    Returns:
        The STATUS that was set, or ``None`` when it was a request.

    Raises:
        AuthenticationFailed: the gateway asks for what we cannot give.
    """
    message = await x.receive(Transaction)
    asked = message.attributes
    if asked.type == TransactionType.SET:
        status = asked.get(XauthAttribute.STATUS)
        x.send(_answer(TransactionType.ACK, asked, ()))
        if status is None:
            raise AuthenticationFailed("the gateway set something other than the Xauth status")
        return status.number == XauthStatus.OK
    if asked.type != TransactionType.REQUEST:
        raise Malformed(f"a transaction begins with {asked.type}")
    text = asked.get(XauthAttribute.MESSAGE)
    shown = text.octets.decode("utf-8", "replace") if text else ""
    values = [
        Attribute(attribute.type, await _value(x, attribute.type, credentials, shown))
        for attribute in asked.attributes
        if attribute.type not in (XauthAttribute.MESSAGE, XauthAttribute.TYPE, XauthAttribute.CHALLENGE)
    ]
    x.send(_answer(TransactionType.REPLY, asked, tuple(values)))
    return None


async def _value(x: Exchange, attribute: int, credentials: Credentials, message: str) -> bytes:
    if attribute == XauthAttribute.USER_NAME:
        return credentials.username.encode()
    if attribute == XauthAttribute.USER_PASSWORD and not message:
        return credentials.password
    prompt = next((prompt for prompt, number in PROMPTS.items() if number == attribute), None)
    if prompt is None:
        if attribute == XauthAttribute.DOMAIN:
            return b""
        raise AuthenticationFailed(f"the gateway asks for attribute {attribute}, which is not known")
    return await x.ask(AnswerPrompt(message=message, prompt=prompt))


def _request(*attributes: Attribute) -> Transaction:
    return Transaction(attributes=Attributes(type=TransactionType.REQUEST, attributes=attributes))


def _answer(kind: TransactionType, to: Attributes, attributes: tuple[Attribute, ...]) -> Transaction:
    return Transaction(attributes=Attributes(type=kind, identifier=to.identifier, attributes=attributes))


def _is_reply(message: Transaction) -> None:
    # quirk: Cisco: an ACK in place of a REPLY. The identifier does not matter either: strongSwan 5.9.8 returns 0.
    if message.attributes.type not in (TransactionType.REPLY, TransactionType.ACK):
        raise PeerFailed(f"{message.attributes.type!r} where a REPLY was due")


def _octets(message: Transaction, number: XauthAttribute) -> bytes:
    """# quirk: Android up to 11 ends the password with a NUL (and the name in old builds): one is cut off."""
    attribute = message.attributes.get(number)
    value = attribute.octets if attribute is not None else b""
    if value.endswith(b"\0"):
        value = value[:-1]
    if b"\0" in value:
        raise AuthenticationFailed(f"a NUL inside {number.name}")
    return value


def _text(message: Transaction, number: XauthAttribute) -> str:
    try:
        return _octets(message, number).decode()
    except UnicodeDecodeError as error:
        raise AuthenticationFailed(f"{number.name} is not UTF-8") from error


def _secret(message: Transaction, number: XauthAttribute) -> Secret:
    return Secret(_octets(message, number))
