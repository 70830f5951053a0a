"""Where the panel's pages stand: sections, their order, and the keys that jump there."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

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


_THINGS: Final = {
    "user": "/users/{}",
    "group": "/groups/{}",
    "policy": "/policy",
    "realm": "/realms/{}",
    "pool": "/pools/{}",
    "profile": "/profiles/{}",
    "setting": "/settings",
    "administrator": "/administrators/{}",
    "authority": "/certificates/authorities/{}",
    "token": "/tokens",
    "backup": "/backups",
}


def page_of(noun: str, name: str) -> str:
    """Give the page of a thing as the audit log names it, or nothing where there is none."""
    if noun == "radius-server":
        realm, _, server = name.partition(" ")
        return f"/realms/{quote(realm, safe='')}/servers/{quote(server, safe='')}"
    return _THINGS.get(noun, "").format(quote(name, safe=""))


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
