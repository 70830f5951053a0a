"""From what would let a refused client in, in words, to the field of a form where an administrator can say so.

Whoever refuses a client names a command or a setting of a profile; both are found here. A test holds each
pattern against the words of those who write them, and each target against the page.
"""

import re
from typing import Final
from urllib.parse import quote

from appliance.refusals.schemas import RefusalView
from webui.navigation import Link

_NAME: Final = r"(?P<name>'[^']*'|[^\s'\"),;]+)"
_ATTRIBUTE: Final = r"(?P<attribute>[a-z-]+)="
_PROFILE: Final = r"profile (?P<name>.+?)"

_PATTERNS: Final[tuple[tuple[str, str, str], ...]] = (
    # ---- what the engine says of profiles ----
    (r"Create a connection profile", "/profiles/add", "Add a profile"),
    (rf"to the IKE proposals of {_PROFILE} \(", "/profiles/{name}/change#f-preset", "Change the proposals of {name}"),
    (rf"to the ESP proposals of {_PROFILE}\.", "/profiles/{name}/change#f-preset", "Change the proposals of {name}"),
    (rf"to the PFS groups of {_PROFILE}\.", "/profiles/{name}/change#f-pfs_groups", "Change the PFS groups of {name}"),
    (rf"stop requiring it in {_PROFILE}\.", "/profiles/{name}/change#f-require_pfs", "Change PFS in {name}"),
    (rf"Allow the authentication method \S+ in {_PROFILE}\.", "/profiles/{name}/change#f-authentication", "Allow it"),
    (rf"Allow \w+ mode in {_PROFILE}\.", "/profiles/{name}/change#f-modes", "Allow the mode in {name}"),
    (r"add it to a profile's group names", "/profiles", "Choose the profile"),
    (
        rf"pre-shared key of {_PROFILE} and of",
        "/profiles/{name}/change#f-pre_shared_key",
        "Set its group key",
    ),
    (r"Set the profile's group key", "/profiles/{profile}/change#f-pre_shared_key", "Set the group key of {profile}"),
    (r"Give the profile a (gateway )?certificate", "/certificates", "Look at the certificates"),
    (r"set the profile to push it", "/profiles/{profile}/change#f-configuration_push", "Push it in {profile}"),
    (r"Let the pool or profile reach", "/pools", "Choose the pool"),
    (r"let it vouch for clients", "/certificates/authorities", "Look at the authorities"),
    (r"Check the? ?CA certificate", "/connect", "What clients need to know"),
    # ---- commands ----
    (r"coati user add NAME", "/users/add", "Add a user"),
    (rf"coati user add {_NAME}", "/users/add?name={name}", "Add the user"),
    (rf"coati user enable {_NAME}", "/users/{name}", "Look at {name}"),
    (rf"coati user password {_NAME}", "/users/{name}#f-password", "Set a new password"),
    (rf"coati user set {_NAME} --expires", "/users/{name}#f-expires_at", "Set a later date"),
    (rf"coati user set {_NAME} --need-not-change", "/users/{name}#f-must_change_password", "Let it be"),
    (rf"coati user second-factor \w+ {_NAME}", "/users/{name}#second-factor", "Look at the second factor"),
    (
        rf"coati user set {_NAME} {_ATTRIBUTE}",
        "/users/{name}/policy#f-{attribute}",
        "Say otherwise for {name}",
    ),
    (rf"coati user set {_NAME} ", "/users/{name}/policy", "Say otherwise for {name}"),
    (rf"coati group set {_NAME} {_ATTRIBUTE}", "/groups/{name}#f-{attribute}", "Say otherwise for {name}"),
    (rf"coati policy set {_ATTRIBUTE}", "/policy#f-{attribute}", "Say otherwise for everybody"),
    (rf"coati lockout lift {_NAME}", "/lockouts?text={name}", "Look at the lockout"),
    (rf"coati realm set {_NAME} --enable", "/realms/{name}#f-enabled", "Switch {name} on"),
    (rf"minimum_uid of realm {_NAME}", "/realms/{name}#f-minimum_uid", "Change realm {name}"),
    (rf"coati realm test {_NAME}", "/realms/{name}", "Look at realm {name}"),
    (rf"coati profile set {_NAME} --preset", "/profiles/{name}/change#f-preset", "Change the proposals of {name}"),
    (r"look at (its log|the log of the process web)", "/logs?process=web", "Look at the log"),
    (r"(setting|set) backup_\w+", "/settings#f-backup_passphrase", "Look at the settings"),
    (rf"coati realm server add {_NAME}", "/realms/{name}", "Look at realm {name}"),
    (rf"coati profile set {_NAME} --realm", "/profiles/{name}/change#f-realms", "Change the realms of {name}"),
    (rf"coati profile set {_NAME} --any-certificate", "/profiles/{name}/change", "Change {name}"),
    (r"let profile '(?P<name>[^']+)' ask for it", "/profiles/{name}/change#f-xauth_prompts", "Let {name} ask for it"),
    (rf"coati pool set {_NAME}[,) ]", "/pools/{name}/change#f-networks", "Give {name} another network"),
    (r"coati pool add", "/pools/add", "Add a pool"),
    (r"coati pool leases", "/pools", "Look at the pools"),
    (rf"coati session disconnect --user {_NAME}\)", "/sessions?user={name}", "Look at the sessions of {name}"),
    (r"coati (certificate|ca) ", "/certificates", "Look at the certificates"),
)
_COMPILED: Final = tuple((re.compile(pattern), path, label) for pattern, path, label in _PATTERNS)


def setting(refusal: RefusalView) -> Link | None:
    """Give the place of the setting that would let the client in; ``None`` when it is not ours to set."""
    return place(refusal.remedy, refusal.profile)


def place(remedy: str, profile: str = "") -> Link | None:
    """Give the page where a remedy can be applied; ``None`` when it is not on the panel.

    Args:
        remedy: In the words of whoever found what is wrong.
        profile: The connection profile that it is about, if it is about one.
    """
    for pattern, path, label in _COMPILED:
        found = pattern.search(remedy)
        if found is None:
            continue
        names = {name: (text or "").strip("'") for name, text in found.groupdict().items()}
        names = {"attribute": "", "profile": profile} | names
        names["attribute"] = names["attribute"].replace("-", "_")
        if "{profile}" in path and not profile:
            return Link("/profiles", "Look at the profiles")
        in_path = {name: quote(text, safe="") for name, text in names.items()}
        return Link(path.format(**in_path), label.format(**names))
    return None
