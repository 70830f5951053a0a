"""Runtime settings: their types, defaults and what they mean. This class is the whole list of them."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, SecretStr

from appliance import passwords, time_zones
from appliance.models import Role
from appliance.schema import Filter, Schema, SortableBy
from appliance.settings import LogLevel


def _https(url: str) -> str:
    if url and not url.startswith("https://"):
        raise ValueError("an identity provider is reached by https://")
    return url


def _absolute(directory: str) -> str:
    if directory and not directory.startswith("/"):
        raise ValueError("write the whole path, from / on")
    return directory


def _strong(passphrase: SecretStr | None) -> SecretStr | None:
    if passphrase is not None and (weakness := passwords.weakness(passphrase.get_secret_value())):
        raise ValueError(f"the passphrase is too weak: {weakness}")
    return passphrase


def _zone(name: str) -> str:
    try:
        time_zones.named(name or "UTC")
    except ValueError as error:
        raise ValueError(f"{error}; write it like this: Europe/Berlin") from None
    return name


_Days = Annotated[int, Field(ge=1, le=36_500)]


class RuntimeSettings(Schema):
    """What may be changed while the appliance runs."""

    panel_idle_minutes: Annotated[
        int, Field(ge=5, le=1_440, description="An administrator who does nothing for so long is signed out.")
    ] = 60
    panel_session_hours: Annotated[
        int, Field(ge=1, le=168, description="An administrator is signed out after so long in any case.")
    ] = 12
    panel_proof_minutes: Annotated[
        int,
        Field(
            ge=1,
            le=1_440,
            description="Who decides whom to trust shows anew who is there, if the last time was so long ago.",
        ),
    ] = 15
    panel_notice: Annotated[
        str, Field(max_length=1_000, description="Text above the sign-in form, for example who may sign in.")
    ] = ""
    panel_time_zone: Annotated[
        str,
        AfterValidator(_zone),
        Field(
            max_length=100,
            description="Zone of the panel's times, for example Europe/Berlin; empty: that of each browser.",
        ),
    ] = ""
    session_days: Annotated[_Days, Field(description="Ended sessions are kept for so long.")] = 365
    refusal_days: Annotated[_Days, Field(description="Refusals are kept for so long, and never more than 20,000.")] = 90
    audit_days: Annotated[_Days | None, Field(description="The audit log is kept for so long; null: for ever.")] = None
    log_level: Annotated[
        LogLevel | None,
        Field(description="The least serious line that is logged; null: as each process was started."),
    ] = None
    api_requests_per_minute: Annotated[
        int, Field(ge=0, le=1_000_000, description="A token may ask so often, also all at once; 0: without limit.")
    ] = 3_000
    api_source_requests_per_minute: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="All who come from one address (of IPv6: one /64) may ask so often; 0: without limit.",
        ),
    ] = 6_000
    portal: Annotated[
        bool | None,
        Field(description="VPN users find a page of their own at /portal; null: as it was started (COATI_PORTAL)."),
    ] = None
    portal_realms: Annotated[
        tuple[str, ...],
        Field(
            max_length=50,
            description="Realms that judge who signs in on the portal without naming one, in this order; empty: all.",
        ),
    ] = ()

    backup_every_hours: Annotated[
        int | None,
        Field(ge=1, le=8_760, description="A backup is made by itself so often, 24: every day; null: none is."),
    ] = None
    backup_hour: Annotated[
        int, Field(ge=0, le=23, description="At which hour (UTC) a day's backups begin to be counted from.")
    ] = 2
    backup_directory: Annotated[
        str,
        AfterValidator(_absolute),
        Field(
            max_length=1_000,
            description="Where they are written, better on another machine's disk; empty: in the data directory.",
        ),
    ] = ""
    backup_keep: Annotated[
        int, Field(ge=1, le=10_000, description="So many of those that were made by themselves are kept there.")
    ] = 14
    backup_passphrase: Annotated[
        SecretStr | None,
        AfterValidator(_strong),
        Field(description="What they are encrypted under, write-only. Keep it elsewhere: without it they are nothing."),
    ] = None

    oidc_issuer: Annotated[
        str,
        AfterValidator(_https),
        Field(max_length=500, description="Identity provider that administrators may sign in by (OpenID Connect)."),
    ] = ""
    oidc_client_id: Annotated[str, Field(max_length=500, description="What the identity provider calls us.")] = ""
    oidc_client_secret: Annotated[
        SecretStr | None, Field(description="Our secret there, write-only; null for a public client.")
    ] = None
    oidc_scope: Annotated[str, Field(max_length=500, description="What the identity provider is asked for.")] = (
        "openid profile email"
    )
    oidc_groups_claim: Annotated[str, Field(max_length=100, description="Where it names somebody's groups.")] = "groups"
    oidc_roles: dict[str, Role] = Field(
        default_factory=dict, description="Which group of it has which role here; others do not get in."
    )

    @property
    def roles(self) -> tuple[tuple[str, Role], ...]:
        """Groups of the identity provider and their roles."""
        return tuple(self.oidc_roles.items())

    @property
    def panel_idle(self) -> timedelta:
        """After how long without a click an administrator is signed out."""
        return timedelta(minutes=self.panel_idle_minutes)

    @property
    def panel_proof(self) -> timedelta:
        """For how long it is known who sits there."""
        return timedelta(minutes=self.panel_proof_minutes)

    @property
    def panel_session(self) -> timedelta:
        """After how long an administrator is signed out in any case."""
        return timedelta(hours=self.panel_session_hours)


class SettingFilter(Filter):
    """Which settings to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in name or description.")] = ""
    sort: Annotated[str, SortableBy("name")] = "name"


class SettingView(Schema):
    """A setting."""

    name: str
    value: Any
    default: Any
    description: str
    accepts: Annotated[dict[str, Any], Field(description="JSON schema of the value.")]
    changed_at: Annotated[datetime | None, Field(description="null: it is at its default.")]


class SettingDefinition(Schema):
    """A setting as it shall be."""

    value: Any


SECRETS: Final = frozenset({"backup_passphrase", "oidc_client_secret"})
DIRECTORIES: Final = frozenset({"backup_directory"})
"""Settings that are kept sealed, and shown to nobody."""
