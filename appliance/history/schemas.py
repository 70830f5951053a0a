"""Events as they are shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, computed_field

from appliance.models import EventKind
from appliance.schema import Filter, Schema, Since, SortableBy, Until


class EventFilter(Filter):
    """Which events to list, and in which order."""

    text: Annotated[str, Field(description="Only those with this in user, addresses, client or reason.")] = ""
    kind: EventKind | None = None
    user: Annotated[str, Field(description="Only those of this user.")] = ""
    realm: Annotated[str, Field(description="Only those of this realm.")] = ""
    profile: Annotated[str, Field(description="Only those of this profile.")] = ""
    since: Since = None
    until: Until = None
    sort: Annotated[str, SortableBy("at", "kind", "user", "realm", "profile", "peer_address", "octets_in")] = "-at"


class EventView(Schema):
    """One login, logout or failed login."""

    id: int
    at: datetime
    kind: EventKind
    node: str
    peer_id: Annotated[
        int | None, Field(description="With the node it ties a logout to its login and both to their session.")
    ]
    user: Annotated[str, Field(description="Of a failure what was typed.")]
    realm: str
    profile: str
    peer_address: str
    peer_port: int
    virtual_ip: str | None
    client_software: str
    octets_in: int
    octets_out: int
    began_at: Annotated[datetime | None, Field(description="Of a logout: when the stay began.")]
    cause: Annotated[str, Field(description="Of a logout: why it ended; of a failure: how far it came.")]
    reason: str
    session_id: Annotated[int | None, Field(description="Its session, as long as that is kept.")] = None

    @computed_field(description="Of a logout: how long the stay was.")  # type: ignore[prop-decorator]
    @property
    def duration_seconds(self) -> int | None:
        """How long the stay was."""
        return None if self.began_at is None else max(0, round((self.at - self.began_at).total_seconds()))


class VisitFilter(Schema):
    """Which stays to list."""

    user: Annotated[str, Field(description="Only this user's.")] = ""
    last: Annotated[int, Field(ge=1, le=1000, description="At most so many.")] = 20


class Visit(Schema):
    """A stay, or a failed login, as ``last`` and ``lastb`` tell of them.

    Attributes:
        event: The latest that is known of it.
        ended: It is over (a failure always is).
    """

    event: EventView
    ended: bool
