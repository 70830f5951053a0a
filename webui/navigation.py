"""Where the panel's pages stand: sections, their order, and the keys that jump there."""

from dataclasses import dataclass
from typing import Final

from appliance.models import Scope


@dataclass(frozen=True, slots=True)
class Link:
    """A page in the navigation.

    Attributes:
        path: Where it is.
        label: What it is called there.
        key: Typed after ``g`` it jumps there.
        needed: What a role has to allow for the page to be of use.
    """

    path: str
    label: str
    key: str = ""
    needed: Scope = Scope.READ


SECTIONS: Final = {
    "Monitor": (
        Link("/", "Overview", "o"),
        Link("/sessions", "Sessions", "s"),
        Link("/history", "History", "y"),
        Link("/refusals", "Refused clients", "r"),
        Link("/lockouts", "Lockouts", "l"),
        Link("/accounting", "Accounting", "n"),
        Link("/gateways", "Gateways", "w"),
        Link("/logs", "Log", "g"),
    ),
    "Access": (
        Link("/users", "Users", "u"),
        Link("/second-factors", "Second factors", "f"),
        Link("/groups", "Groups and policy", "i"),
        Link("/realms", "Realms", "m"),
        Link("/profiles", "Profiles", "p"),
        Link("/pools", "Pools", "a"),
        Link("/connect", "Connect a client", "c"),
    ),
    "System": (
        Link("/certificates", "Certificates", "k"),
        Link("/tokens", "API tokens", "t"),
        Link("/administrators", "Administrators", "d"),
        Link("/settings", "Settings", "e"),
        Link("/configuration", "Versions", "v"),
        Link("/backups", "Backups", "b", Scope.OWN),
        Link("/audit", "Audit log", "h"),
    ),
}
