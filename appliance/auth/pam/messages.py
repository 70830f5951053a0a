"""What a gateway and the PAM worker say to each other: JSON datagrams on a ``SOCK_SEQPACKET`` pair.

    Begin   a login begins                               -> Asked or Ended (or Failed)
    Answer  what the user typed when PAM asked for more  -> the same again
    End     a login is withdrawn, or a stay is over
    EndAll  a gateway begins: whatever an earlier one left behind ends
    Look    is this service configured?                  -> Looked

The worker is root and believes nothing: a service is the name of a file in PAM's own directories, a
user name is one that no module could take for a path, an option or a command.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
import socket
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ike_engine.secret import Secret

MAXIMUM_OCTETS: Final = 32_768
MOST_SECONDS: Final = 60.0

_SERVICE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_USERNAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}\Z")
_HOST: Final = re.compile(r"[0-9A-Fa-f.:]{1,45}\Z")
_LONGEST_SECRET: Final = 1_024
_HIGHEST_UID: Final = 2**32 - 2


def service_name(text: str) -> str:
    """Give the name of a PAM service: that of its file in ``/etc/pam.d``.

    Raises:
        ValueError: it cannot be one, or it is ``other``, PAM's fallback for services that are not configured.
    """
    if not _SERVICE.match(text) or text == "other":
        raise ValueError(f"{text!r} is not a PAM service: write the name of a file in /etc/pam.d, in lower case")
    return text


def safe_username(text: str) -> str:
    """Give the name if no module could take it for anything but a name.

    Raises:
        ValueError: it is empty, too long, or has other characters than names of Unix and Windows domains have.
    """
    if not _USERNAME.match(text):
        raise ValueError(f"{text[:128]!r} is not a name that is handed to PAM")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """A login begins.

    Attributes:
        number: The gateway's, at random; everything about this login carries it.
        service: PAM service.
        username: Who wants in.
        password: Answers the first prompt that is not echoed.
        host: Address of the client (PAM_RHOST); may be empty.
        seconds: How long PAM may think, each time it does.
        prompts: The user can be asked for more than the password.
        session: Open a PAM session and keep it until ``End``.
        minimum_uid: Accounts of this machine below it are refused; 0: not even root is.
    """

    number: int
    service: str
    username: str
    password: Secret
    host: str = ""
    seconds: float = 10.0
    prompts: bool = False
    session: bool = False
    minimum_uid: int = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the user typed."""

    number: int
    text: Secret


@dataclass(frozen=True, slots=True)
class End:
    """The login is withdrawn; its process is killed, or its session closed."""

    number: int


@dataclass(frozen=True, slots=True)
class EndAll:
    """The same for all there are."""


@dataclass(frozen=True, slots=True)
class Look:
    """Is this service configured?"""

    number: int
    service: str


Request = Begin | Answer | End | EndAll | Look


@dataclass(frozen=True, slots=True)
class Asked:
    """PAM asks the user something, and waits.

    Attributes:
        text: The prompt, below whatever PAM said since the last one.
        echo: What is typed may be seen.
    """

    number: int
    text: str
    echo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """PAM has decided.

    Attributes:
        phase: Which one decided: ``start``, ``authenticate``, ``account`` or ``session``.
        code: PAM's return value.
        words: What libpam calls that value.
        said: What modules told the user.
        user: PAM_USER at the end: modules may map names.
        uid: Of that account on this machine, ``None`` when it has none here.
        held: A session is open until ``End``.
    """

    number: int
    phase: str
    code: int
    words: str
    said: tuple[str, ...]
    user: str
    uid: int | None
    held: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """PAM has not decided, for this reason."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Looked:
    """``obstacle`` is empty when the service is configured."""

    number: int
    obstacle: str


Reply = Asked | Ended | Failed | Looked

M = TypeVar("M")

_REQUESTS: Final[dict[str, type[Request]]] = {kind.__name__: kind for kind in (Begin, Answer, End, EndAll, Look)}
_REPLIES: Final[dict[str, type[Reply]]] = {kind.__name__: kind for kind in (Asked, Ended, Failed, Looked)}


def open_pair() -> tuple[socket.socket, socket.socket]:
    """Make the gateway's end and the worker's end."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def encode(message: Request | Reply) -> bytes:
    """Give the datagram."""
    fields = {field.name: _plain(getattr(message, field.name)) for field in dataclasses.fields(message)}
    return json.dumps({"is": type(message).__name__, **fields}).encode()


def _plain(value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, Secret) else value


def decode_request(datagram: bytes) -> Request:
    """Read what a gateway wants.

    Raises:
        ValueError: it is not exactly one well-formed and harmless request.
    """
    kind, fields = _open(datagram, _REQUESTS)
    if "number" in fields:
        _check(fields, "number", 0, 2**63)
    if kind is Begin:
        fields["password"] = _secret(_text(fields, "password"))
        service_name(_text(fields, "service"))
        safe_username(_text(fields, "username"))
        if _text(fields, "host") and not _HOST.match(fields["host"]):
            raise ValueError("the host is not an address")
        _check(fields, "seconds", 0.1, MOST_SECONDS)
        _check(fields, "minimum_uid", 0, _HIGHEST_UID)
        if not (isinstance(fields.get("prompts"), bool) and isinstance(fields.get("session"), bool)):
            raise ValueError("prompts and session are yes or no")
    elif kind is Answer:
        fields["text"] = _secret(_text(fields, "text"))
    elif kind is Look:
        service_name(_text(fields, "service"))
    return _make(kind, fields)


def decode_reply(datagram: bytes) -> Reply:
    """Read what the worker says; it is believed.

    Raises:
        ValueError: it is no reply at all.
    """
    kind, fields = _open(datagram, _REPLIES)
    if "said" in fields:
        fields["said"] = tuple(fields["said"])
    return _make(kind, fields)


def _open(datagram: bytes, kinds: dict[str, type[M]]) -> tuple[type[M], dict[str, Any]]:
    fields = json.loads(datagram)
    kind = kinds.get(str(fields.pop("is", ""))) if isinstance(fields, dict) else None
    if kind is None:
        raise ValueError("neither known nor well-formed")
    return kind, fields


def _make(kind: type[M], fields: dict[str, Any]) -> M:
    try:
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"not a {kind.__name__}") from error


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")  # noqa: TRY004  it was octets from elsewhere, not a mistake in a call
    return value


def _check(fields: dict[str, Any], name: str, least: float, most: float) -> None:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} is not a number from {least} to {most}")


def _secret(text: str) -> Secret:
    try:
        secret = Secret(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error
    if len(secret) > _LONGEST_SECRET or 0 in secret:
        raise ValueError("a password has at most 1024 octets, none of them NUL")
    return secret
