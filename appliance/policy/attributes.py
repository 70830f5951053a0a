"""The attributes of access: what each level of policy may say, and what a realm may say at a login."""

import enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, WrapSerializer, model_validator

from appliance.names import DomainName, PlainName
from appliance.policy.access_hours import AccessHours
from appliance.pools.schemas import Address, Banner, Domain, Networks, Servers
from appliance.schema import Schema

_MOST_SECONDS = 31_536_000

Seconds = Annotated[int, Field(ge=0, le=_MOST_SECONDS)]


class WhenTooMany(enum.StrEnum):
    """What becomes of a login when the user has as many sessions as it may have."""

    REFUSE = "refuse"
    REPLACE = "replace"


class QuotaPeriod(enum.StrEnum):
    """How often a transfer quota begins anew, in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class SecondFactor(enum.StrEnum):
    """Whether a login takes a one-time code as well."""

    OFF = "off"
    ENROLLED = "enrolled"
    REQUIRED = "required"


def _netmask(mask: IPv4Address) -> IPv4Address:
    inverted = int(mask) ^ 0xFFFFFFFF
    if inverted & (inverted + 1):
        raise ValueError(f"{mask} is not a netmask")
    return mask


def _hours(text: str) -> str:
    return str(AccessHours.from_text(text))


class AccessPolicy(Schema):
    """What one level says; ``None``: it says nothing, and a weaker level counts.

    Where a number limits something, 0 says that nothing does: so a user can be freed from what its group imposes.
    """

    model_config = ConfigDict(frozen=True)

    pool: Annotated[PlainName | None, Field(description="Pool of virtual IPs.")] = None
    address: Annotated[Address | None, Field(description="Virtual IP of this user alone.")] = None
    netmask: Annotated[
        Annotated[Address, AfterValidator(_netmask)] | None, Field(description="Netmask to tell the client.")
    ] = None
    dns: Annotated[Servers | None, Field(description="DNS servers.")] = None
    wins: Annotated[Servers | None, Field(description="WINS servers.")] = None
    domain: Annotated[Domain | None, Field(description="Default domain.")] = None
    split_include: Annotated[Networks | None, Field(description="Through the tunnel; empty: everything.")] = None
    split_exclude: Annotated[Networks | None, Field(description="Outside, although everything goes through.")] = None
    split_dns: Annotated[
        Annotated[tuple[DomainName, ...], Field(max_length=32)] | None,
        Field(description="Domains to ask our DNS servers about."),
    ] = None
    banner: Annotated[Banner | None, Field(description="Text that clients show after login.")] = None
    save_password: Annotated[bool | None, Field(description="The client may keep the password.")] = None
    session_limit_seconds: Annotated[Seconds | None, Field(description="A session ends after so long; 0: never.")] = (
        None
    )
    idle_limit_seconds: Annotated[
        Seconds | None, Field(description="A session ends when nothing came from the client for so long; 0: never.")
    ] = None
    simultaneous_sessions: Annotated[
        Annotated[int, Field(ge=0, le=10_000)] | None, Field(description="At most so many at a time; 0: any number.")
    ] = None
    when_too_many: Annotated[
        WhenTooMany | None, Field(description="Refuse the new login, or end the oldest session.")
    ] = None
    access_hours: Annotated[
        Annotated[str, AfterValidator(_hours)] | None,
        Field(description="For example: Mon-Fri 08:00-18:00, Sat 09:00-12:00 Europe/Berlin; or: always."),
    ] = None
    quota_octets: Annotated[
        Annotated[int, Field(ge=0, le=2**63 - 1)] | None,
        Field(description="At most so many octets, both directions together, in a period; 0: any number."),
    ] = None
    quota_period: Annotated[QuotaPeriod | None, Field(description="When the quota begins anew.")] = None
    reachable: Annotated[
        Annotated[Networks, Field(min_length=1)] | None, Field(description="Networks that the client may reach.")
    ] = None
    routes: Annotated[
        Networks | None, Field(description="Networks behind the client, that it may carry besides its own address.")
    ] = None
    reauthenticate_on_rekey: Annotated[
        bool | None, Field(description="A new phase 1 of a live client must log in again.")
    ] = None
    second_factor: Annotated[SecondFactor | None, Field(description="Whether a login takes a one-time code.")] = None
    interim_interval_seconds: Annotated[
        Seconds | None, Field(description="How often accounting tells the totals of a session; 0: never.")
    ] = None

    @model_validator(mode="after")
    def _one_kind_of_split(self) -> Self:
        if self.split_include and self.split_exclude:
            raise ValueError("split_include and split_exclude rule each other out: clients obey one of them only")
        return self

    def said(self) -> dict[str, Any]:
        """Give what this level says, by attribute."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}

    def stored(self) -> dict[str, Any]:
        """Give what this level says as a column keeps it and the API shows it."""
        return self.model_dump(mode="json", exclude_none=True)

    def changed(self, change: Self) -> Self:
        """Give this with ``change`` laid over it: what it names and leaves empty (``null``) says nothing any more.

        Raises:
            pydantic.ValidationError: the two do not fit together.
        """
        return type(self).model_validate(self.model_dump() | change.model_dump(exclude_unset=True))


# Without a declared answer, so that the OpenAPI document still knows the fields.
Said = Annotated[
    AccessPolicy, WrapSerializer(lambda policy, _whole: policy.stored()), Field(description="What is said.")
]
"""A policy that is shown with what it says only."""

NOTHING_SAID: Final = AccessPolicy()
