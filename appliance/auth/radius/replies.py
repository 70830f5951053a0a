"""What a reply says of a user: Accept as policy and groups, Challenge as a prompt, Reject in words.

Attributes that ask for what cannot be (a pool's name with a blank, say) are left out and named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from appliance.auth.radius.mschapv2 import error_in_words
from appliance.policy.attributes import AccessPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from appliance.auth.radius.attributes import Attributes

_FROM_A_POOL: Final = (IPv4Address("255.255.255.254"), IPv4Address("255.255.255.255"))  # RFC 2865 section 5.8
_LEAST_INTERIM_SECONDS: Final = 60  # RFC 2869 section 5.16
_GROUP_IN_CLASS: Final = re.compile(r"OU=([^;]+);?\s*\Z", re.IGNORECASE)
_NEW_PIN: Final = re.compile(r"\b(new|next)\s+pin\b|\bnew\s+password\b", re.IGNORECASE)
_DEFAULT_MESSAGE: Final = "Enter your passcode"


@dataclass(slots=True)
class Granted:
    """What an Access-Accept gives.

    Attributes:
        user: The name that the server calls the user by; empty: as it logged in.
        groups: Of Class (``OU=group;``), then of Filter-Id.
        policy: What it says of this login.
        classes: Class as it came, for accounting.
        left_out: Attributes that could not be honoured, and why.
    """

    user: str = ""
    groups: tuple[str, ...] = ()
    policy: AccessPolicy = field(default_factory=AccessPolicy)
    classes: tuple[bytes, ...] = ()
    left_out: tuple[str, ...] = ()


def granted(attributes: Attributes) -> Granted:
    """Read an Access-Accept."""
    classes = attributes.octets("Class")
    groups = [found[1] for octets in classes if (found := _GROUP_IN_CLASS.match(octets.decode("utf-8", "replace")))]
    groups += attributes.texts("Filter-Id")
    reading = _Reading(attributes)
    return Granted(
        user=attributes.text("User-Name"),
        groups=tuple(dict.fromkeys(filter(None, map(str.strip, groups)))),
        policy=reading.policy(),
        classes=tuple(classes),
        left_out=tuple(reading.left_out),
    )


def limits(attributes: Attributes) -> AccessPolicy:
    """Read what a CoA-Request may change of a live session: its two time limits and its interim interval."""
    return _Reading(attributes).only("session_limit_seconds", "idle_limit_seconds", "interim_interval_seconds")


def prompt_for(attributes: Attributes, message: str) -> str:
    """Choose which Xauth attribute to ask for in a further round.

    RADIUS names none. A text that speaks of a new PIN wants one; what may be echoed (Prompt, RFC 2869
    section 5.10) is an answer to a question; all else is a passcode.
    """
    if _NEW_PIN.search(message):
        return "next-pin"
    return "answer" if attributes.number("Prompt") == 1 else "passcode"


def challenge_message(attributes: Attributes) -> str:
    """Give the text to show the user."""
    return attributes.joined("Reply-Message") or _DEFAULT_MESSAGE


def refusal(attributes: Attributes) -> str:
    """Say why a server refused; empty when it does not tell."""
    errors = (error_in_words(octets) for octets in attributes.octets("MS-CHAP-Error"))
    return "; ".join(filter(None, (attributes.joined("Reply-Message").replace("\n", " "), *errors)))


class _Reading:
    """Turns attributes into fields of a policy, one by one."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes
        self.left_out: list[str] = []
        self._pairs = _cisco_pairs(attributes.texts("Cisco-AVPair"))

    def policy(self) -> AccessPolicy:
        """Read all of them."""
        return self.only(*AccessPolicy.model_fields)

    def only(self, *fields: str) -> AccessPolicy:
        """Read these."""
        values = {
            name: value
            for name in fields
            if (read := _READERS.get(name)) is not None and (value := self._value(name, read)) is not None
        }
        while True:
            try:
                return AccessPolicy.model_validate(values)
            except ValidationError as error:
                first = error.errors()[0]
                name = str(first["loc"][0]) if first["loc"] else "split_exclude"
                self.left_out.append(f"{name.replace('_', ' ')} {_shown(values.pop(name))}: {first['msg']}")

    def _value(self, name: str, read: Callable[[Attributes, dict[str, str]], Any]) -> Any:  # noqa: ANN401
        try:
            return read(self._attributes, self._pairs)
        except ValueError as error:
            self.left_out.append(f"{name.replace('_', ' ')}: {error}")
            return None


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _cisco_pairs(texts: Iterable[str]) -> dict[str, str]:
    """Read ``ipsec:name=value`` (``*`` in place of ``=`` when the NAS may ignore it)."""
    found = (re.match(r"ipsec:([a-z-]+)[=*](.*)", text) for text in texts)
    return {match[1]: match[2].strip() for match in found if match}


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", text) if word]


def _networks(text: str) -> list[IPv4Network]:
    """Read networks, with a prefix length or a mask, separated by blanks or commas.

    Raises:
        ValueError: one of them is none; the name of an access list, say, that only its NAS knows.
    """
    return [IPv4Network(word, strict=False) for word in _words(text)]


def _route(text: str) -> IPv4Network:
    """Read a Framed-Route (RFC 2865 section 5.22): the destination; gateway and metrics do not matter here."""
    destination, *_ = text.split() or [""]
    if "/" not in destination:  # by the class of the address
        first = int(IPv4Address(destination)) >> 24
        destination += "/8" if first < 128 else "/16" if first < 192 else "/24"
    return IPv4Network(destination, strict=False)


def _address(attributes: Attributes, _pairs: dict[str, str]) -> IPv4Address | None:
    addresses = attributes.addresses("Framed-IP-Address")
    return next((address for address in addresses if address not in _FROM_A_POOL), None)


def _netmask(attributes: Attributes, _pairs: dict[str, str]) -> IPv4Address | None:
    return next(iter(attributes.addresses("Framed-IP-Netmask")), None)


def _pool(attributes: Attributes, pairs: dict[str, str]) -> str | None:
    pools = _words(attributes.text("Altiga-Address-Pools"))
    return attributes.text("Framed-Pool") or next(iter(pools), None) or pairs.get("addr-pool")


def _dns(attributes: Attributes, pairs: dict[str, str]) -> list[IPv4Address] | None:
    return (
        attributes.addresses("MS-Primary-DNS-Server", "MS-Secondary-DNS-Server")
        or attributes.addresses("Altiga-Primary-DNS", "Altiga-Secondary-DNS")
        or [IPv4Address(word) for word in _words(pairs.get("dns-servers", ""))]
        or None
    )


def _wins(attributes: Attributes, pairs: dict[str, str]) -> list[IPv4Address] | None:
    return (
        attributes.addresses("MS-Primary-NBNS-Server", "MS-Secondary-NBNS-Server")
        or attributes.addresses("Altiga-Primary-WINS", "Altiga-Secondary-WINS")
        or [IPv4Address(word) for word in _words(pairs.get("wins-servers", ""))]
        or None
    )


def _domain(attributes: Attributes, pairs: dict[str, str]) -> str | None:
    return attributes.text("Altiga-Default-Domain") or pairs.get("default-domain")


def _split_dns(attributes: Attributes, _pairs: dict[str, str]) -> list[str] | None:
    return [domain for text in attributes.texts("Altiga-Split-DNS-Names") for domain in _words(text)] or None


def _banner(attributes: Attributes, pairs: dict[str, str]) -> str | None:
    both = [*attributes.texts("Altiga-Banner1"), *attributes.texts("Altiga-Banner2")]
    return "".join(both) or pairs.get("banner")


_EVERYTHING, _ONLY, _ALL_BUT = range(3)  # Altiga-Split-Tunneling-Policy


def _split_list(attributes: Attributes, policy: int) -> list[IPv4Network] | None:
    said = attributes.number("Altiga-Split-Tunneling-Policy")
    listed = " ".join(attributes.texts("Altiga-Split-Tunnel-List"))
    if said == _EVERYTHING:
        return []
    return _networks(listed) or None if (_ONLY if said is None else said) == policy else None


def _split_include(attributes: Attributes, _pairs: dict[str, str]) -> list[IPv4Network] | None:
    return _split_list(attributes, _ONLY)


def _split_exclude(attributes: Attributes, _pairs: dict[str, str]) -> list[IPv4Network] | None:
    return _split_list(attributes, _ALL_BUT)


def _routes(attributes: Attributes, _pairs: dict[str, str]) -> list[IPv4Network] | None:
    return [_route(text) for text in attributes.texts("Framed-Route")] or None


def _interim(attributes: Attributes, _pairs: dict[str, str]) -> int | None:
    seconds = attributes.number("Acct-Interim-Interval")
    return max(seconds, _LEAST_INTERIM_SECONDS) if seconds else seconds


def _number(*names: str) -> Callable[[Attributes, dict[str, str]], int | None]:
    def read(attributes: Attributes, _pairs: dict[str, str]) -> int | None:
        return next((value for name in names if (value := attributes.number(name)) is not None), None)

    return read


def _flag(name: str) -> Callable[[Attributes, dict[str, str]], bool | None]:
    def read(attributes: Attributes, _pairs: dict[str, str]) -> bool | None:
        value = attributes.number(name)
        return None if value is None else value != 0

    return read


_READERS: Final[dict[str, Callable[[Attributes, dict[str, str]], Any]]] = {
    "pool": _pool,
    "address": _address,
    "netmask": _netmask,
    "dns": _dns,
    "wins": _wins,
    "domain": _domain,
    "split_include": _split_include,
    "split_exclude": _split_exclude,
    "split_dns": _split_dns,
    "banner": _banner,
    "routes": _routes,
    "save_password": _flag("Altiga-Allow-Password-Store"),
    "session_limit_seconds": _number("Session-Timeout"),
    "idle_limit_seconds": _number("Idle-Timeout"),
    "simultaneous_sessions": _number("Port-Limit", "Altiga-Simultaneous-Logins"),
    "reauthenticate_on_rekey": _flag("Altiga-Auth-On-Rekey"),
    "interim_interval_seconds": _interim,
}
