"""Second factors as they go in and out. A seed comes out once, when it is made; recovery codes as well."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.schema import Filter, Schema, SortableBy


class SecondFactorFilter(Filter):
    """Which to list."""

    text: Annotated[str, Field(description="Only those with this in user or realm.")] = ""
    realm: Annotated[str, Field(description="Only those of this realm.")] = ""
    confirmed: Annotated[bool | None, Field(description="Only those that count, or only those that do not yet.")] = None
    sort: Annotated[str, SortableBy("user", "realm", "created_at", "confirmed_at", "used_at")] = "user"


class SecondFactorView(Schema):
    """A user's second factor."""

    happens = frozenset({"used_at", "recovery_codes_left"})

    realm: str
    user: str
    created_at: datetime
    confirmed_at: Annotated[datetime | None, Field(description="Since when it counts.")]
    used_at: Annotated[datetime | None, Field(description="When a code was taken last.")]
    recovery_codes_left: int


class Enrolment(Schema):
    """What the user's app is to know; shown this once."""

    realm: str
    user: str
    seed: Annotated[str, Field(description="To type into an app that reads no QR codes (base32).")]
    uri: Annotated[str, Field(description="otpauth address, as in the QR code.")]
    qr_svg: Annotated[str, Field(description="The QR code as an SVG image.")]


class Code(Schema):
    """A one-time code."""

    code: Annotated[str, Field(min_length=1, max_length=64)]


class RecoveryCodes(Schema):
    """Codes for when the app is gone; each counts once, and they are shown this once."""

    recovery_codes: list[str]
