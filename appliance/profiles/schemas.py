"""Profiles as they go in and out. A group key goes in and never comes out."""

from datetime import datetime
from typing import Annotated, Any, Self, TypeVar

from cryptography import x509
from pydantic import AfterValidator, Field, SecretStr, model_validator

from appliance.models import Preset
from appliance.names import PlainName
from appliance.schema import Filter, Schema, SortableBy
from ike_engine.crypto.suites import DhGroup
from ike_engine.policy import Authentication, EspProposal, IkeProposal, Phase1Mode

T = TypeVar("T")

_LEAST_KEY_OCTETS = 8


def _without_repetition(values: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _ike_proposal(text: str) -> str:
    return str(IkeProposal.from_text(text))


def _esp_proposal(text: str) -> str:
    return str(EspProposal.from_text(text))


def _group(keyword: str) -> str:
    known = [group.keyword for group in DhGroup]
    if keyword.lower() not in known:
        raise ValueError(f"unknown group {keyword!r}; known: {', '.join(known)}")
    return keyword.lower()


def _authorities(pem: str) -> str:
    if not pem.strip():
        return ""
    for certificate in x509.load_pem_x509_certificates(pem.encode()):
        try:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            constraints = x509.BasicConstraints(ca=False, path_length=None)
        if not constraints.ca:
            raise ValueError(f"{certificate.subject.rfc4514_string()} is not the certificate of an authority")
    return pem.strip() + "\n"


def _group_key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < _LEAST_KEY_OCTETS:
        raise ValueError(f"a group key has at least {_LEAST_KEY_OCTETS} characters; better let one be generated")
    return key


GroupName = Annotated[str, Field(min_length=1, max_length=128)]


class ProfileChange(Schema):
    """What to change; what is left out stays."""

    enabled: bool = True
    position: Annotated[int, Field(ge=0, le=10_000, description="The lowest that accepts an offer serves it.")] = 100
    authentication: Annotated[tuple[Authentication, ...], AfterValidator(_without_repetition), Field(min_length=1)] = (
        Authentication.HYBRID_RSA,
    )
    modes: Annotated[tuple[Phase1Mode, ...], AfterValidator(_without_repetition), Field(min_length=1)] = (
        Phase1Mode.MAIN,
        Phase1Mode.AGGRESSIVE,
    )
    group_names: Annotated[
        tuple[GroupName, ...], Field(description="Aggressive-mode identities that select this profile; empty: any.")
    ] = ()
    pre_shared_key: Annotated[
        Annotated[SecretStr, AfterValidator(_group_key)] | None,
        Field(description="Group key, write-only; null removes it."),
    ] = None
    client_authorities: Annotated[
        str,
        AfterValidator(_authorities),
        Field(description="PEM certificates that clients' must chain to (xauth-rsa); empty: those for clients."),
    ] = ""
    certificate_names_login: Annotated[
        bool, Field(description="A client's certificate must carry the login name (xauth-rsa).")
    ] = False
    preset: Annotated[Preset, Field(description="Where the proposals come from; custom: the two lists.")] = (
        Preset.MODERN
    )
    ike_proposals: Annotated[
        tuple[Annotated[str, AfterValidator(_ike_proposal)], ...], Field(description="aes256-sha256-modp2048 ...")
    ] = ()
    esp_proposals: Annotated[
        tuple[Annotated[str, AfterValidator(_esp_proposal)], ...], Field(description="aes256gcm16, aes256-sha256 ...")
    ] = ()
    pfs_groups: Annotated[
        tuple[Annotated[str, AfterValidator(_group)], ...], Field(description="modp2048, ecp256 ...; empty: any.")
    ] = ()
    require_pfs: bool = False
    truncate_sha256_to_96: Annotated[
        bool, Field(description="For clients that cut HMAC-SHA2-256 to 96 bits (Android up to 7).")
    ] = False
    isakmp_lifetime_seconds: Annotated[int, Field(ge=120, le=31_536_000)] = 86_400
    child_lifetime_seconds: Annotated[int, Field(ge=60, le=31_536_000)] = 28_800
    child_lifetime_kilobytes: Annotated[int | None, Field(ge=1_024, le=2**31 - 1)] = None
    configuration_push: bool = False
    reauthenticate_on_rekey: Annotated[bool, Field(description="A new phase 1 of a live client must log in again.")] = (
        True
    )
    xauth_prompts: Annotated[bool, Field(description="The client can show further prompts.")] = True
    dpd_interval_seconds: Annotated[float, Field(ge=0, le=86_400, description="0 switches DPD off.")] = 30.0
    dpd_timeout_seconds: Annotated[float, Field(ge=1, le=86_400)] = 120.0
    fragment_octets: Annotated[int, Field(ge=576, le=65_535)] = 576
    xauth_timeout_seconds: Annotated[float, Field(ge=5, le=3_600)] = 120.0
    realms: Annotated[
        tuple[PlainName, ...],
        AfterValidator(_without_repetition),
        Field(max_length=50, description="Realms that judge its logins, in the order of asking; empty: all."),
    ] = ()
    pool: Annotated[str | None, Field(description="Name of the pool; null: the oldest.")] = None

    @model_validator(mode="after")
    def _custom_has_proposals(self) -> Self:
        if self.preset is Preset.CUSTOM and not (self.ike_proposals and self.esp_proposals):
            raise ValueError("the preset custom needs ike_proposals and esp_proposals")
        return self


class ProfileDefinition(ProfileChange):
    """A profile as it shall be: what is left out takes its default, but the group key stays."""


class ProfileOrder(Schema):
    """In which order profiles are tried."""

    names: Annotated[tuple[PlainName, ...], Field(min_length=1, description="All profiles, the first first.")]


class ProfileFilter(Filter):
    """Which profiles to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in their name.")] = ""
    enabled: Annotated[bool | None, Field(description="Only those that serve clients, or do not.")] = None
    sort: Annotated[str, SortableBy("position", "name", "changed_at")] = "position"


class NewProfile(ProfileChange):
    """A profile to be."""

    name: PlainName


class ProfileView(Schema):
    """A profile, without its group key."""

    name: str
    enabled: bool
    position: int
    authentication: tuple[Authentication, ...]
    modes: tuple[Phase1Mode, ...]
    group_names: tuple[str, ...]
    has_pre_shared_key: bool
    client_authorities: str
    certificate_names_login: bool
    preset: Preset
    ike_proposals: Annotated[tuple[str, ...], Field(description="What is accepted, presets resolved.")]
    esp_proposals: Annotated[tuple[str, ...], Field(description="What is accepted, presets resolved.")]
    pfs_groups: tuple[str, ...]
    require_pfs: bool
    truncate_sha256_to_96: bool
    isakmp_lifetime_seconds: int
    child_lifetime_seconds: int
    child_lifetime_kilobytes: int | None
    configuration_push: bool
    reauthenticate_on_rekey: bool
    xauth_prompts: bool
    dpd_interval_seconds: float
    dpd_timeout_seconds: float
    fragment_octets: int
    xauth_timeout_seconds: float
    realms: Annotated[tuple[str, ...], Field(description="Realms that judge its logins; empty: all.")]
    pool: Annotated[str | None, Field(description="Name of the pool; null: the oldest.")]
    created_at: datetime
    changed_at: datetime
    weaknesses: Annotated[tuple[str, ...], Field(description="What an attacker with means could break.")]


def settings_of(view: ProfileView) -> dict[str, Any]:
    """Give the fields of a profile that can be changed (but for the key), to lay a change over them."""
    return {name: getattr(view, name) for name in ProfileChange.model_fields if name != "pre_shared_key"}
