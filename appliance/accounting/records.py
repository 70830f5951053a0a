"""What an accounting record says, as it lies in the database and as it goes to a server (RFC 2866, RFC 2869)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict, cast

from pyrad.packet import AcctPacket

from appliance.auth.radius.dictionary import DICTIONARY
from appliance.auth.radius.requests import shortened
from appliance.models.accounting import AccountingStatus

if TYPE_CHECKING:
    from datetime import datetime

    from appliance.auth.radius.realm import Accounted
    from appliance.auth.radius.requests import Nas
    from appliance.auth.radius.server import Server
    from appliance.gateway.record.stay import Stay

_CLASS: Final = 25
_WORD: Final = 1 << 32
_STATUS: Final = {
    AccountingStatus.START: "Start",
    AccountingStatus.INTERIM: "Interim-Update",
    AccountingStatus.STOP: "Stop",
    AccountingStatus.ON: "Accounting-On",
    AccountingStatus.OFF: "Accounting-Off",
}

# Acct-Terminate-Cause by how a session ended (``events.Goodbye``); RFC 2866 section 5.10.
_CAUSES: Final = {
    "client-disconnected": "User-Request",
    "administrator": "Admin-Reset",
    "dead-peer": "Lost-Carrier",
    "lifetime-expired": "Lost-Service",
    "logged-in-again": "Port-Preempted",
    "failed": "NAS-Error",
    "gateway-shutdown": "Admin-Reboot",
    "session-limit": "Session-Timeout",
    "idle-limit": "Idle-Timeout",
    "access-hours-over": "Session-Timeout",
    "replaced-by-another-session": "Port-Preempted",
    "ended-by-its-realm": "Admin-Reset",
}
CRASHED: Final = "NAS-Reboot"
"""The cause when the gateway itself crashed."""


class Content(TypedDict, total=False):
    """What a record of a session says, as JSON.

    Attributes:
        address: Virtual IP.
        networks: Behind the client.
        client, gateway: Addresses, ours as the client came to it.
        port: NAS-Port.
        classes: Class, each in hexadecimal.
        seconds: How long the session has lasted.
        octets_in, packets_in: From the client.
        octets_out, packets_out: To the client.
        cause: Acct-Terminate-Cause.
    """

    address: str | None
    networks: list[str]
    client: str
    gateway: str
    port: int
    classes: list[str]
    seconds: int
    octets_in: int
    octets_out: int
    packets_in: int
    packets_out: int
    cause: str


class Record(NamedTuple):
    """A row of ``accounting_records``, as it is sent."""

    id: int
    realm: str
    session: str
    status: AccountingStatus
    user: str
    at: datetime
    content: dict[str, Any]


def cause(goodbye: str) -> str:
    """Give the Acct-Terminate-Cause for how a session ended."""
    return _CAUSES.get(goodbye, "NAS-Request")


def content(stay: Stay, accounted: Accounted, status: AccountingStatus, at: datetime) -> Content:
    """Say what is to be said of a session now."""
    columns = stay.columns
    said = Content(
        address=columns["virtual_ip"],
        client=columns["peer_address"],
        gateway=columns["local_address"],
        port=stay.peer_id & (_WORD - 1),
        networks=list(map(str, columns["networks"])),
        classes=[octets.hex() for octets in accounted.classes],
    )
    if status is not AccountingStatus.START:
        said |= totals(columns | stay.traffic(), at)
    if status is AccountingStatus.STOP:
        said["cause"] = cause(columns["goodbye"])
    return said


def totals(columns: dict[str, Any], at: datetime) -> Content:
    """Say how long a session has lasted and what it carried."""
    return Content(
        seconds=max(0, round((at - columns["started_at"]).total_seconds())),
        octets_in=columns["octets_in"],
        octets_out=columns["octets_out"],
        packets_in=columns["packets_in"],
        packets_out=columns["packets_out"],
    )


def accounting_request(server: Server, local_address: str, *, record: Record, nas: Nas, now: datetime) -> AcctPacket:
    """Make the request that brings a record to a server (RFC 2866 section 4.1).

    Args:
        server: Who will get it.
        local_address: Of the socket that it leaves by.
        record: What happened.
        nas: Who we are.
        now: It may have happened long ago: Acct-Delay-Time tells.
    """
    request = AcctPacket(secret=bytes(server.secret), dict=DICTIONARY)
    request["Acct-Status-Type"] = _STATUS[record.status]
    request["Acct-Session-Id"] = record.session
    nas.sign(request, local_address)
    request["NAS-Port-Type"] = "Virtual"
    request["Event-Timestamp"] = int(record.at.timestamp()) & (_WORD - 1)
    request["Acct-Delay-Time"] = min(max(0, round((now - record.at).total_seconds())), _WORD - 1)
    if record.status not in (AccountingStatus.ON, AccountingStatus.OFF):
        _describe(request, record.user, cast("Content", record.content))
    return request


def _describe(request: AcctPacket, user: str, said: Content) -> None:
    request["User-Name"] = shortened(user)
    request["Service-Type"] = "Framed-User"
    request["Acct-Authentic"] = "RADIUS"
    request["NAS-Port"] = said["port"]
    request["Calling-Station-Id"] = said["client"]
    if said["gateway"]:
        request["Called-Station-Id"] = said["gateway"]
    if said["address"]:
        request["Framed-IP-Address"] = said["address"]
    if said.get("networks"):  # records from before they were kept have none
        request["Framed-Route"] = [f"{network} {said['address'] or '0.0.0.0'} 1" for network in said["networks"]]
    if said["classes"]:
        request[_CLASS] = [bytes.fromhex(octets) for octets in said["classes"]]
    if "seconds" not in said:
        return
    request["Acct-Session-Time"] = said["seconds"]
    for direction, octets, packets in (
        ("Input", said["octets_in"], said["packets_in"]),
        ("Output", said["octets_out"], said["packets_out"]),
    ):
        gigawords, words = divmod(octets, _WORD)
        request[f"Acct-{direction}-Octets"] = words
        request[f"Acct-{direction}-Gigawords"] = gigawords
        request[f"Acct-{direction}-Packets"] = packets % _WORD
    if "cause" in said:
        request["Acct-Terminate-Cause"] = said["cause"]
