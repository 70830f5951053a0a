"""What counts in the end: the levels laid over each other, and where each value comes from.

    default   what the profile and the pool have, and what Coati does when nobody says anything
    base      what is said for everybody
    group     what is said for the user's group
    user      what is said for the local user
    login     what the realm said when it let the user in

Each level is stronger than those above it. How base and groups lie over the defaults is worked out
once for each combination and kept, so that a login only lays the last two levels over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Final

from appliance.policy.attributes import NOTHING_SAID, AccessPolicy, QuotaPeriod, SecondFactor, WhenTooMany

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT: Final = "default"
BASE: Final = "base"
USER: Final = "user"
LOGIN: Final = "login"

EVERYTHING: Final = (IPv4Network("0.0.0.0/0"),)

_UNSAID: Final[dict[str, Any]] = dict.fromkeys(AccessPolicy.model_fields) | {
    "netmask": IPv4Address("255.255.255.255"),
    "dns": (),
    "wins": (),
    "domain": "",
    "split_include": (),
    "split_exclude": (),
    "split_dns": (),
    "banner": "",
    "save_password": False,
    "session_limit_seconds": 0,
    "idle_limit_seconds": 0,
    "simultaneous_sessions": 0,
    "when_too_many": WhenTooMany.REFUSE,
    "access_hours": "always",
    "quota_octets": 0,
    "quota_period": QuotaPeriod.MONTH,
    "reachable": EVERYTHING,
    "routes": (),
    "reauthenticate_on_rekey": True,
    "second_factor": SecondFactor.ENROLLED,
    "interim_interval_seconds": 600,
}
# Clients obey one of the two, so the level that says one of them unsays the other.
_OPPOSITES: Final = {"split_include": "split_exclude", "split_exclude": "split_include"}


@dataclass(frozen=True, slots=True)
class Effective:
    """What counts for one user.

    Attributes:
        policy: Every attribute has a value, but ``address`` (from the pool) and ``pool`` (there is none).
        levels: Where each value comes from: ``default``, ``base``, ``group NAME``, ``user`` or ``login``.
        group: The group that counts; empty: none.
    """

    policy: AccessPolicy
    levels: Mapping[str, str]
    group: str = ""


@dataclass(slots=True)
class _Laid:
    values: dict[str, Any]
    levels: dict[str, str]

    def over(self, said: Mapping[str, Any], level: str) -> None:
        for name, value in said.items():
            self.values[name] = value
            self.levels[name] = level
            opposite = _OPPOSITES.get(name)
            if value and opposite is not None and not said.get(opposite):
                self.values[opposite] = ()
                self.levels[opposite] = level

    def effective(self, group: str) -> Effective:
        return Effective(AccessPolicy.model_construct(**self.values), self.levels, group)


class Policies:
    """All that is said for more than one user, as it is now.

    Args:
        base: For everybody.
        groups: By name.
        pools: What each pool's row says, by name.
        profiles: What each profile's row says (its pool, for one), by name.
    """

    def __init__(
        self,
        *,
        base: AccessPolicy = NOTHING_SAID,
        groups: Mapping[str, AccessPolicy] | None = None,
        pools: Mapping[str, AccessPolicy] | None = None,
        profiles: Mapping[str, AccessPolicy] | None = None,
    ) -> None:
        self._base = base
        self._groups = groups or {}
        self._pools = pools or {}
        self._profiles = profiles or {}
        self._laid: dict[tuple[str, str, str | None], _Laid] = {}
        self._shared: dict[tuple[str, str, str | None], Effective] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policies) and self._said() == other._said()

    __hash__ = None  # type: ignore[assignment]

    def _said(self) -> tuple[object, ...]:
        return self._base, self._groups, self._pools, self._profiles

    def group_of(self, named: Iterable[str], own: str = "") -> str:
        """Give the group that counts: the first that the realm named and that exists, else the user's own."""
        for name in named:
            if (known := name.strip().casefold()) in self._groups:
                return known
        return own

    def resolve(
        self, profile: str, *, group: str = "", user: AccessPolicy = NOTHING_SAID, login: AccessPolicy = NOTHING_SAID
    ) -> Effective:
        """Say what counts.

        Args:
            profile: Name of the connection profile that serves the client.
            group: From ``group_of``; empty: none.
            user: What is said for the local user.
            login: What the realm said at the login.
        """
        ours = self._profiles.get(profile, NOTHING_SAID)
        levels = (login, user, self._groups.get(group, NOTHING_SAID), self._base, ours)
        pool = next((said.pool for said in levels if said.pool is not None), None)
        key = (profile, group, pool)
        if (start := self._laid.get(key)) is None:
            start = self._laid[key] = self._lay(ours, group, pool)
        if user is login is NOTHING_SAID:  # most are: what counts is the same for all of them
            if (shared := self._shared.get(key)) is None:
                shared = self._shared[key] = start.effective(group)
            return shared
        laid = _Laid(dict(start.values), dict(start.levels))
        laid.over(user.said(), USER)
        laid.over(login.said(), LOGIN)
        return laid.effective(group)

    def _lay(self, profile: AccessPolicy, group: str, pool: str | None) -> _Laid:
        laid = _Laid(dict(_UNSAID), {})
        laid.over(_UNSAID, DEFAULT)
        laid.over(profile.said(), DEFAULT)
        if pool is not None:
            laid.over(self._pools.get(pool, NOTHING_SAID).said(), DEFAULT)
        laid.over(self._base.said(), BASE)
        laid.over(self._groups.get(group, NOTHING_SAID).said(), f"group {group}")
        return laid
