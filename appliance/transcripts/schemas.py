"""Transcripts as they are shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from appliance.schema import Schema
from ike_engine.transcript import What


class Probe(Schema):
    """A question of dead peer detection, and what came of it."""

    at: Annotated[datetime, Field(description="When the client was asked for the first time.")]
    tries: Annotated[int, Field(description="How often it was asked.")]
    answered_at: Annotated[
        datetime | None,
        Field(description="null: it has not answered. Whatever else it sends is a sign of life as well."),
    ]

    round_trip_seconds: Annotated[
        float | None,
        Field(description="null: unanswered, or asked more than once: nobody knows which was answered."),
    ]


class TranscriptLine(Schema):
    """A message, or what became of one."""

    at: datetime
    seconds: Annotated[float, Field(description="Since the first message.")]
    what: Annotated[
        What,
        Field(
            description="A message; repeated: we sent the last ones again; duplicate: the client did; dropped: not "
            "believed; probes: dead peer detection, counted; omitted: so many lines are not kept."
        ),
    ] = What.MESSAGE
    sent: Annotated[bool, Field(description="By the gateway.")] = False
    exchange: Annotated[str, Field(description="main mode, aggressive mode, Xauth, Mode Config ...")] = ""
    number: Annotated[int, Field(description="Of the message within its exchange.")] = 0
    protected: Annotated[bool, Field(description="Encrypted and authenticated by the ISAKMP SA's keys.")] = False
    payloads: tuple[str, ...] = ()
    octets: Annotated[int, Field(description="As long as the message was before it was cut into fragments.")] = 0
    fragments: Annotated[int, Field(description="1: not cut. Of what came from the client, 2 is two or more.")] = 1
    says: Annotated[str, Field(description="What is offered, chosen, asked for, notified or deleted, in words.")] = ""
    times: Annotated[int, Field(description="How often.")] = 1
    until: Annotated[datetime | None, Field(description="When for the last time, of probes.")] = None
    probes: Annotated[tuple[Probe, ...], Field(description="Of probes: ours, as far back as they are kept.")] = ()


class TranscriptView(Schema):
    """What gateway and client said to each other."""

    complete: Annotated[bool, Field(description="Nothing more will come: the client is gone, or was refused.")]
    lines: list[TranscriptLine]
