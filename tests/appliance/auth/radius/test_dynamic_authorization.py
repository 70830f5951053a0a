"""Orders of RADIUS servers, from octets to Error-Cause; a real radclient is in ``gateway/test_radius_orders``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyrad.packet import CoAACK, CoANAK, CoAPacket, CoARequest, DisconnectACK, DisconnectNAK, DisconnectRequest

from appliance.auth.radius.dictionary import DICTIONARY
from appliance.auth.radius.dynamic_authorization import Change, DynamicAuthorization, Orderer, Selection
from appliance.auth.verdicts import Claim
from appliance.policy.attributes import AccessPolicy
from ike_engine.secret import Secret

SECRET = b"between us two"
SERVER = "10.0.0.5"
US = "203.0.113.1"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@dataclass
class Recording:
    """Sessions that do as they are told."""

    found: int = 1
    disconnected: list[Selection] = field(default_factory=list)
    changed: list[tuple[Selection, Change]] = field(default_factory=list)

    def disconnect(self, selection: Selection, by: str) -> int:
        assert SERVER in by
        self.disconnected.append(selection)
        return self.found

    def change(self, selection: Selection, change: Change, by: str) -> int:
        assert SERVER in by
        self.changed.append((selection, change))
        return self.found


@pytest.fixture
def sessions() -> Recording:
    return Recording()


@pytest.fixture
def authorization(sessions: Recording) -> DynamicAuthorization:
    made = DynamicAuthorization(sessions, wall_clock=lambda: NOW)
    made.orderers = {SERVER: [Orderer(realm="corp", secret=Secret(SECRET), names=frozenset({"gw1"}))]}
    return made


def request(code: int, *, secret: bytes = SECRET, signed: bool = False, **attributes: Any) -> bytes:
    made = CoAPacket(code=code, id=7, secret=secret, dict=DICTIONARY)
    for name, value in attributes.items():
        made.AddAttribute(name.replace("_", "-"), value)
    if signed:
        made.add_message_authenticator()
    octets: bytes = made.RequestPacket()
    return octets


def told(octets: bytes | None) -> tuple[int, list[str]]:
    assert octets is not None
    reply = CoAPacket(secret=SECRET, dict=DICTIONARY, packet=octets)
    return octets[0], reply.get("Error-Cause", [])


def test_disconnect_by_all_that_is_given(authorization: DynamicAuthorization, sessions: Recording) -> None:
    octets = request(
        DisconnectRequest, User_Name="alice", Acct_Session_Id="0a", Framed_IP_Address="10.9.0.77", NAS_Identifier="gw1"
    )
    assert told(authorization.answer(octets, SERVER, US)) == (DisconnectACK, [])
    assert sessions.disconnected == [
        Selection(realm="corp", user="alice", session_id="0a", address=IPv4Address("10.9.0.77"))
    ]


def test_change_of_limits_and_groups(authorization: DynamicAuthorization, sessions: Recording) -> None:
    octets = request(
        CoARequest, signed=True, User_Name="alice", Session_Timeout=600, Idle_Timeout=60, Filter_Id="guests"
    )
    answer = authorization.answer(octets, SERVER, US)
    assert told(answer) == (CoAACK, [])
    [(_, change)] = sessions.changed
    assert change.limits.said() == {"session_limit_seconds": 600, "idle_limit_seconds": 60}
    assert change.groups == ("guests",)
    before = Claim(realm="corp", groups=("staff",), attributes=AccessPolicy(idle_limit_seconds=5, banner="Hello"))
    after = change.of(before)
    assert after.groups == ("guests",)
    assert after.attributes.said() == change.limits.said() | {"banner": "Hello"}


@pytest.mark.parametrize(
    ("code", "attributes", "cause"),
    [
        (DisconnectRequest, {}, "Missing-Attribute"),
        (DisconnectRequest, {"Calling_Station_Id": "192.0.2.1"}, "Missing-Attribute"),
        (DisconnectRequest, {"User_Name": "a", "NAS_Identifier": "gw2"}, "NAS-Identification-Mismatch"),
        (DisconnectRequest, {"User_Name": "a", "NAS_IP_Address": "203.0.113.9"}, "NAS-Identification-Mismatch"),
        (DisconnectRequest, {"User_Name": "a", "Session_Timeout": 3}, "Unsupported-Attribute"),
        (CoARequest, {"User_Name": "a"}, "Missing-Attribute"),
        (CoARequest, {"User_Name": "a", "Framed_Pool": "x"}, "Unsupported-Attribute"),
        (CoARequest, {"User_Name": "a", "Session_Timeout": 2**32 - 1}, "Invalid-Attribute-Value"),
        (CoARequest, {"User_Name": "a", "Service_Type": "Authorize-Only"}, "Unsupported-Service"),
    ],
)
def test_what_is_refused_and_why(
    authorization: DynamicAuthorization, sessions: Recording, code: int, attributes: dict[str, Any], cause: str
) -> None:
    nak = DisconnectNAK if code == DisconnectRequest else CoANAK
    assert told(authorization.answer(request(code, **attributes), SERVER, US)) == (nak, [cause])
    assert not sessions.disconnected
    assert not sessions.changed


def test_our_address_is_the_one_that_it_came_to(authorization: DynamicAuthorization) -> None:
    octets = request(DisconnectRequest, User_Name="a", NAS_IP_Address=US)
    assert told(authorization.answer(octets, SERVER, US))[0] == DisconnectACK


def test_nobody_is_meant(authorization: DynamicAuthorization, sessions: Recording) -> None:
    sessions.found = 0
    octets = request(DisconnectRequest, User_Name="nobody")
    assert told(authorization.answer(octets, SERVER, US)) == (DisconnectNAK, ["Session-Context-Not-Found"])


@pytest.mark.parametrize(
    ("octets", "source", "counted"),
    [
        (request(DisconnectRequest, User_Name="a"), "10.0.0.6", "stranger"),
        (request(DisconnectRequest, secret=b"another", User_Name="a"), SERVER, "bad-authenticator"),
        (request(DisconnectRequest, User_Name="a")[:-1] + b"b", SERVER, "bad-authenticator"),
        (request(1, User_Name="a"), SERVER, "bad-authenticator"),
        (b"", SERVER, "bad-authenticator"),
        (bytes([40, 1, 0, 99]) + bytes(16), SERVER, "bad-authenticator"),
        (request(DisconnectRequest, User_Name="a", Event_Timestamp=int(NOW.timestamp()) - 301), SERVER, "stale"),
        (request(DisconnectRequest, User_Name="a", Event_Timestamp=int(NOW.timestamp()) + 301), SERVER, "stale"),
    ],
)
def test_silence(
    authorization: DynamicAuthorization, sessions: Recording, octets: bytes, source: str, counted: str
) -> None:
    assert authorization.answer(octets, source, US) is None
    assert authorization.counters == {counted: 1}
    assert not sessions.disconnected


def test_a_wrong_message_authenticator_is_not_believed(authorization: DynamicAuthorization) -> None:
    octets = bytearray(request(DisconnectRequest, signed=True, User_Name="a"))
    broken = CoAPacket(code=DisconnectRequest, id=7, secret=SECRET, dict=DICTIONARY, packet=bytes(octets))
    broken[80] = [bytes(16)]
    broken.message_authenticator = None
    assert authorization.answer(broken.RequestPacket(), SERVER, US) is None


def test_a_repetition_gets_the_same_answer_and_does_nothing(
    authorization: DynamicAuthorization, sessions: Recording
) -> None:
    octets = request(DisconnectRequest, User_Name="alice")
    first = authorization.answer(octets, SERVER, US)
    assert authorization.answer(octets, SERVER, US) == first
    assert len(sessions.disconnected) == 1


def test_proxy_state_comes_back(authorization: DynamicAuthorization) -> None:
    answer = authorization.answer(request(DisconnectRequest, User_Name="a", Proxy_State=b"\1\2"), SERVER, US)
    assert answer is not None
    assert CoAPacket(secret=SECRET, dict=DICTIONARY, packet=answer)[33] == [b"\1\2"]


def test_a_server_of_two_realms_orders_for_the_one_whose_secret_it_uses(
    authorization: DynamicAuthorization, sessions: Recording
) -> None:
    other = Orderer(realm="guests", secret=Secret(b"another"), names=frozenset())
    authorization.orderers = {SERVER: [*authorization.orderers[SERVER], other]}
    authorization.answer(request(DisconnectRequest, secret=b"another", User_Name="a"), SERVER, US)
    assert [selection.realm for selection in sessions.disconnected] == ["guests"]


@given(octets=st.binary(max_size=300))
@example(octets=request(DisconnectRequest, User_Name="a")[:19])
@example(octets=bytes([43, 1, 0, 26]) + bytes(16) + bytes([26, 6, 0, 0, 1, 55]))
def test_octets_of_any_kind_are_met_with_silence(octets: bytes) -> None:
    sessions = Recording()
    authorization = DynamicAuthorization(sessions, wall_clock=lambda: NOW)
    authorization.orderers = {SERVER: [Orderer(realm="corp", secret=Secret(SECRET), names=frozenset())]}
    for header in (b"", bytes([DisconnectRequest, 7, 0, len(octets) % 256]) + bytes(16)):
        assert authorization.answer(header + octets, SERVER, US) is None
    assert not sessions.disconnected
