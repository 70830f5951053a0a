"""What a RADIUS realm needs to know beside its servers."""

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal

from pydantic import Field

from appliance.schema import Schema


class RadiusSettings(Schema):
    """What a realm of RADIUS servers needs to know beside them (``coati realm server``)."""

    nas_identifier: Annotated[str, Field(max_length=253, description="NAS-Identifier; empty: the gateway's name.")] = ""
    nas_address: Annotated[
        IPv4Address | IPv6Address | None, Field(description="NAS-IP-Address; by itself the one that requests leave by.")
    ] = None
    whole_name: Annotated[bool, Field(description="Send the name as typed, with the realm in it.")] = False
    prompt: Annotated[
        Literal["auto", "passcode", "answer", "password", "next-pin"],
        Field(description="What to ask a client for when a server challenges; auto: by what the challenge says."),
    ] = "auto"
    deadline_seconds: Annotated[
        float, Field(ge=1, le=110, description="All servers together have so long to judge a login.")
    ] = 30.0
