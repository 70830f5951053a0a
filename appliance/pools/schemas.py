"""Pools as they go in and out."""

from datetime import datetime
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from appliance.names import DomainName, PlainName, domain_name
from appliance.schema import Filter, Schema, SortableBy


def _address(value: object) -> object:
    """Refuse what is no text: to the library below, a number (and JSON's ``true``) is an address as well."""
    if not isinstance(value, str | IPv4Address):
        raise ValueError("write an address as text, for example 192.0.2.1")  # noqa: TRY004  pydantic's to report
    return value


def _network(value: object) -> object:
    """The same for networks; say which one was probably meant when host bits are set."""
    if isinstance(value, IPv4Network):
        return value
    if not isinstance(value, str):
        raise ValueError("write a network as text, for example 192.0.2.0/24")  # noqa: TRY004  pydantic's to report
    try:
        return IPv4Network(value)
    except (AddressValueError, NetmaskValueError):
        raise ValueError(f"{value!r} is no network; write one like 192.0.2.0/24") from None
    except ValueError:
        meant = IPv4Network(value, strict=False)
        raise ValueError(f"{value} is an address within a network; did you mean {meant}?") from None


def _no_overlap(networks: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    for position, network in enumerate(networks):
        for other in networks[:position]:
            if network.overlaps(other):
                raise ValueError(f"{network} and {other} overlap")
    return networks


def _encodable(banner: str) -> str:
    if len(banner.encode()) > 1024:
        raise ValueError("a banner has at most 1024 octets, so that it travels in one message")
    return banner


Address = Annotated[IPv4Address, BeforeValidator(_address)]
Network = Annotated[IPv4Network, BeforeValidator(_network)]
PoolNetworks = Annotated[
    tuple[Network, ...],
    AfterValidator(_no_overlap),
    Field(min_length=1, description="Networks to take virtual IPs from, for example 10.99.0.0/24."),
]
Networks = Annotated[tuple[Network, ...], Field(max_length=50)]
Servers = Annotated[tuple[Address, ...], Field(max_length=8)]
Banner = Annotated[str, AfterValidator(_encodable)]
Domain = Annotated[str, AfterValidator(lambda text: domain_name(text) if text else "")]


class PoolChange(Schema):
    """What to change; what is left out stays."""

    networks: PoolNetworks = (IPv4Network("10.99.0.0/24"),)
    dns: Annotated[Servers, Field(description="DNS servers for clients.")] = ()
    wins: Annotated[Servers, Field(description="WINS servers for clients.")] = ()
    domain: Annotated[Domain, Field(description="Default domain.")] = ""
    split_include: Annotated[Networks, Field(description="Through the tunnel; empty: everything.")] = ()
    split_exclude: Annotated[Networks, Field(description="Outside, although everything goes through.")] = ()
    split_dns: Annotated[
        tuple[DomainName, ...], Field(max_length=32, description="Domains to ask our DNS servers about.")
    ] = ()
    reachable: Annotated[Networks, Field(min_length=1, description="Networks that clients may reach.")] = (
        IPv4Network("0.0.0.0/0"),
    )
    banner: Annotated[Banner, Field(description="Text that clients show after login.")] = ""
    save_password: Annotated[bool, Field(description="The client may keep the password.")] = False
    masquerade: Annotated[bool, Field(description="Hide virtual IPs behind the gateway's own address.")] = True

    @model_validator(mode="after")
    def _one_kind_of_split(self) -> Self:
        if self.split_include and self.split_exclude:
            raise ValueError("split_include and split_exclude rule each other out: clients obey one of them only")
        return self


class PoolDefinition(PoolChange):
    """A pool as it shall be: what is left out takes its default."""

    networks: PoolNetworks


class NewPool(PoolDefinition):
    """A pool to be."""

    name: PlainName


class PoolFilter(Filter):
    """Which pools to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in their name.")] = ""
    sort: Annotated[str, SortableBy("id", "name", "changed_at")] = "id"


class PoolView(Schema):
    """A pool and how much of it is taken."""

    name: str
    networks: tuple[IPv4Network, ...]
    dns: tuple[IPv4Address, ...]
    wins: tuple[IPv4Address, ...]
    domain: str
    split_include: tuple[IPv4Network, ...]
    split_exclude: tuple[IPv4Network, ...]
    split_dns: tuple[str, ...]
    reachable: tuple[IPv4Network, ...]
    banner: str
    save_password: bool
    masquerade: bool
    created_at: datetime
    changed_at: datetime
    addresses: Annotated[int, Field(description="How many addresses there are to give.")] = 0
    taken: Annotated[int, Field(description="How many of them clients have.")] = 0


def settings_of(view: PoolView) -> dict[str, Any]:
    """Give the fields of a pool that can be changed, to lay a change over them."""
    return {name: getattr(view, name) for name in PoolChange.model_fields}
