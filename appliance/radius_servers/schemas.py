"""RADIUS servers as they go in and out; secrets only go in."""

from datetime import datetime
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from appliance.models import MessageAuthenticator, PasswordMethod
from appliance.names import PlainName, domain_name
from appliance.schema import Filter, Schema, SortableBy

_LEAST_SECRET_OCTETS = 8
_MOST_SECRET_OCTETS = 128


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return domain_name(text)


def _secret(secret: SecretStr) -> SecretStr:
    if not _LEAST_SECRET_OCTETS <= len(secret.get_secret_value().encode()) <= _MOST_SECRET_OCTETS:
        raise ValueError(
            f"a RADIUS secret has {_LEAST_SECRET_OCTETS} to {_MOST_SECRET_OCTETS} octets; "
            "passwords travel behind nothing else: take 16 or more that are random"
        )
    return secret


Address = Annotated[str, AfterValidator(_address), Field(description="IP address or host name.")]
Port = Annotated[int, Field(ge=1, le=65_535)]
SharedSecret = Annotated[
    SecretStr, AfterValidator(_secret), Field(description="Shared with the server; goes in and never comes out.")
]


class RadiusServerChange(Schema):
    """What to change; what is left out stays."""

    address: Annotated[Address | None, Field(description="IP address or host name; its name when left out.")] = None
    authentication_port: Annotated[Port, Field(description="Where it takes logins.")] = 1812
    accounting_port: Annotated[Port, Field(description="Where it takes accounting records.")] = 1813
    secret: SharedSecret | None = None
    timeout_seconds: Annotated[float, Field(ge=0.2, le=60, description="Send again after so long.")] = 3.0
    retries: Annotated[int, Field(ge=0, le=5, description="Send again so often, then ask the next server.")] = 1
    dead_seconds: Annotated[
        float, Field(ge=0, le=3600, description="Ask others first for so long once it did not answer.")
    ] = 60.0
    position: Annotated[int, Field(ge=0, le=10_000, description="The lowest is asked first.")] = 100
    message_authenticator: Annotated[
        MessageAuthenticator,
        Field(description="Believe replies to logins only with one (require), or once it has sent one (auto)."),
    ] = MessageAuthenticator.REQUIRE
    method: Annotated[PasswordMethod, Field(description="How passwords travel.")] = PasswordMethod.PAP
    accounting: Annotated[bool, Field(description="It takes accounting records.")] = True
    dynamic_authorization: Annotated[bool, Field(description="It may send Disconnect and CoA (RFC 5176).")] = False
    enabled: Annotated[bool, Field(description="Whether it is asked.")] = True


class RadiusServerDefinition(RadiusServerChange):
    """A server as it shall be: what is left out takes its default, but for the secret, which stays."""


class NewRadiusServer(RadiusServerDefinition):
    """A server to be."""

    name: PlainName
    secret: SharedSecret


class RadiusServerFilter(Filter):
    """Which servers to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in their name or address.")] = ""
    sort: Annotated[str, SortableBy("position", "name", "address", "changed_at")] = "position"


class RadiusServerView(Schema):
    """A server of a realm."""

    realm: str
    name: str
    address: str
    authentication_port: int
    accounting_port: int
    timeout_seconds: float
    retries: int
    dead_seconds: float
    position: Annotated[int, Field(description="The lowest is asked first.")]
    message_authenticator: MessageAuthenticator
    method: PasswordMethod
    accounting: bool
    dynamic_authorization: bool
    enabled: bool
    created_at: datetime
    changed_at: datetime
