"""Lockouts as they are shown and lifted."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from appliance.lockouts.rules import Counted, Door
from appliance.schema import Filter, Schema, SortableBy


class LockoutFilter(Filter):
    """Which to list."""

    text: Annotated[str, Field(description="Only those with this in account, address or network.")] = ""
    door: Annotated[Door | None, Field(description="Only at the panel, or at the gateway.")] = None
    all: Annotated[bool, Field(description="Also those that failed but need not wait now.")] = False
    sort: Annotated[str, SortableBy("subject", "failures", "failed_at", "blocked_until")] = "-blocked_until,-failed_at"


class LockoutView(Schema):
    """Somebody who failed to log in."""

    subject: Annotated[str, Field(description="What it is lifted by.")]
    door: Door
    counted: Annotated[
        Counted, Field(description="An account from one address, an account from anywhere, or a network.")
    ]
    account: Annotated[str, Field(description="Empty for a network.")]
    source: Annotated[str, Field(description="Address or network; empty for an account from anywhere.")]
    failures: Annotated[int, Field(description="Time forgives one after the other.")]
    failed_at: datetime
    blocked_until: Annotated[datetime | None, Field(description="Until then no attempt is judged.")]


class Lifting(Schema):
    """Whose failures to forgive: one of these."""

    subject: Annotated[str, Field(max_length=256, description="As it is listed.")] = ""
    account: Annotated[str, Field(max_length=256, description="From wherever, at whichever door.")] = ""
    source: Annotated[str, Field(max_length=64, description="An address and the network that it is in.")] = ""
    all: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(map(bool, (self.subject, self.account, self.source, self.all))) != 1:
            raise ValueError("say one of subject, account, source and all")
        return self
