"""What a gateway's data plane holds, as it is shown."""

import enum
from datetime import datetime
from ipaddress import IPv4Network
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from appliance.schema import Filter, Page, Schema, SortableBy

T = TypeVar("T")


class HeldState(enum.StrEnum):
    """What an entry is to the gateway's sessions.

    Attributes:
        INSTALLED: Held for a live session.
        ORPHAN: Held by us, but of no live session: left by one that ended, or by a gateway that crashed.
        MISSING: Of a live session, but not held: nothing flows by it.
        FOREIGN: Of another program on that machine.
    """

    INSTALLED = "installed"
    ORPHAN = "orphan"
    MISSING = "missing"
    FOREIGN = "foreign"


class Holder(Schema):
    """Whose an entry is."""

    state: Annotated[
        HeldState,
        Field(
            description="installed: for a live session; orphan: of none; missing: of a live session, but not held; "
            "foreign: of another program on that machine."
        ),
    ]
    session_id: int | None = None
    user: str = ""


class SecurityAssociationView(Holder):
    """One SA of the SAD (RFC 4301 section 4.4.2), without keys; two of them make a Child SA."""

    direction: Literal["in", "out", "unknown"]
    spi: Annotated[str, Field(description="Eight hexadecimal digits.")]
    inbound_spi: Annotated[str, Field(description="Of the Child SA it is half of; empty when that is not known.")] = ""
    source: Annotated[str, Field(description="Outer address, with the UDP port if ESP travels in UDP.")] = ""
    destination: str = ""
    encapsulated: Annotated[bool, Field(description="ESP travels in UDP (RFC 3948).")] = False
    algorithms: str = ""
    reqid: Annotated[int, Field(description="Ties it to policies; 0 in user space.")] = 0
    interface_id: Annotated[int, Field(description="Of the XFRM interface it is tied to, or 0.")] = 0
    sequence: Annotated[int, Field(description="The last number sent, or the highest received.")] = 0
    replay_window: Annotated[int, Field(description="Packets; 0 for what is sent.")] = 0
    octets: int = 0
    packets: int = 0
    integrity_failures: int = 0
    replays: int = 0
    age_seconds: float = 0.0
    idle_seconds: Annotated[float | None, Field(description="null: never used, or not known.")] = None
    lifetime_seconds: Annotated[int, Field(description="Hard limit; 0: none.")] = 0
    lifetime_octets: Annotated[int, Field(description="Hard limit; 0: none.")] = 0


class SecurityPolicyView(Holder):
    """One policy of the SPD (RFC 4301 section 4.4.1)."""

    direction: Literal["in", "out", "forward"]
    action: Annotated[
        Literal["protect", "discard", "bypass"],
        Field(description="protect: by ESP only; discard: not at all; bypass: as it is."),
    ]
    source: IPv4Network
    destination: IPv4Network
    priority: Annotated[int, Field(description="Less is stronger; 0 in user space.")]
    reqid: Annotated[int, Field(description="Ties it to SAs; 0 in user space.")]
    interface_id: Annotated[int, Field(description="Of the XFRM interface it is for, or 0.")]
    tunnel_source: Annotated[str, Field(description="Outer address; 0.0.0.0: any.")]
    tunnel_destination: str


class Inventory(Schema):
    """What a data plane held at one moment: the result of the command ``dump-sad``."""

    data_plane: str
    taken_at: datetime
    sad: list[SecurityAssociationView]
    spd: list[SecurityPolicyView]


class Held(Page[T], Generic[T]):
    """A part of what a data plane held when it was last asked."""

    data_plane: Annotated[str, Field(description="xfrm: the kernel's own tables; userspace: the esp process's.")]
    taken_at: datetime


class HeldFilter(Filter):
    """Which entries are wanted."""

    state: HeldState | None = None
    user: Annotated[str, Field(description="Only those of this user.")] = ""
    session_id: Annotated[int | None, Field(description="Only those of this session.")] = None


class SecurityAssociationFilter(HeldFilter):
    """Which SAs to list, and in which order."""

    spi: Annotated[str, Field(description="Only the Child SA that has this SPI, for example c0a81234.")] = ""
    sort: Annotated[
        str,
        SortableBy("user", "state", "direction", "spi", "inbound_spi", "source", "octets", "packets", "age_seconds"),
    ] = "user,inbound_spi,direction"


class SecurityPolicyFilter(HeldFilter):
    """Which policies to list, and in which order."""

    sort: Annotated[str, SortableBy("user", "state", "direction", "source", "destination", "priority", "action")] = (
        "user,priority,direction"
    )
