"""What attributes mean: the words of three vendors, and what cannot be honoured."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from pyrad.packet import AccessAccept, AuthPacket

from appliance.auth.radius import replies
from appliance.auth.radius.attributes import Attributes
from appliance.auth.radius.dictionary import DICTIONARY


def reply(**values: Any) -> Attributes:
    packet = AuthPacket(AccessAccept, secret=b"x", authenticator=bytes(16), dict=DICTIONARY)
    for name, value in values.items():
        packet.AddAttribute(name.replace("_", "-"), value)
    return Attributes(AuthPacket(dict=DICTIONARY, packet=packet.ReplyPacket()))


def said(**values: Any) -> dict[str, object]:
    return replies.granted(reply(**values)).policy.said()


def test_groups_come_from_class_then_from_filter_id_each_once() -> None:
    found = replies.granted(
        reply(Class=[b"ou=Staff; ", b"session 17", b"OU=night"], Filter_Id=["guests", " Staff", "guests"])
    )
    assert found.groups == ("Staff", "night", "guests")
    assert found.classes == (b"ou=Staff; ", b"session 17", b"OU=night")


@pytest.mark.parametrize("address", ["255.255.255.254", "255.255.255.255"])
def test_the_two_addresses_that_ask_for_one_of_a_pool(address: str) -> None:
    assert said(Framed_IP_Address=address, Framed_Pool="guests") == {"pool": "guests"}


@pytest.mark.parametrize(
    ("route", "network"),
    [
        ("10.70.0.0/16 192.168.1.1 1", "10.70.0.0/16"),
        ("10.70.3.4/16", "10.70.0.0/16"),
        ("10.0.0.0 0.0.0.0", "10.0.0.0/8"),
        ("172.16.0.0 0.0.0.0 1", "172.16.0.0/16"),
        ("192.168.7.0", "192.168.7.0/24"),
    ],
)
def test_routes(route: str, network: str) -> None:
    assert said(Framed_Route=route) == {"routes": (IPv4Network(network),)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Altiga_Split_Tunnel_List": "10.1.0.0/16"}, {"split_include": (IPv4Network("10.1.0.0/16"),)}),
        (
            {"Altiga_Split_Tunnel_List": "10.1.0.0/16", "Altiga_Split_Tunneling_Policy": 2},
            {"split_exclude": (IPv4Network("10.1.0.0/16"),)},
        ),
        (
            {"Altiga_Split_Tunnel_List": "10.1.0.0/16", "Altiga_Split_Tunneling_Policy": 0},
            {"split_include": (), "split_exclude": ()},
        ),
        ({"Altiga_Primary_WINS": "10.0.0.1", "Altiga_Secondary_WINS": "10.0.0.2"}, {"wins": ("10.0.0.1", "10.0.0.2")}),
        ({"Altiga_Split_DNS_Names": "a.example, b.example"}, {"split_dns": ("a.example", "b.example")}),
        ({"Altiga_Address_Pools": "one two"}, {"pool": "one"}),
        ({"Altiga_Allow_Password_Store": 1, "Altiga_Auth_On_Rekey": 0}, {"save_password": True, "rekey": False}),
        ({"Altiga_Simultaneous_Logins": 3, "Port_Limit": 2}, {"simultaneous_sessions": 2}),
        ({"Acct_Interim_Interval": 5}, {"interim_interval_seconds": 60}),
        (
            {"Cisco_AVPair": ["ipsec:dns-servers=10.0.0.1 10.0.0.2", "ipsec:addr-pool*guests", "shell:priv-lvl=15"]},
            {"dns": ("10.0.0.1", "10.0.0.2"), "pool": "guests"},
        ),
        ({"Cisco_AVPair": "ipsec:default-domain=Example.NET"}, {"domain": "example.net"}),
    ],
)
def test_the_words_of_vendors(values: dict[str, Any], expected: dict[str, Any]) -> None:
    meant = {"rekey": "reauthenticate_on_rekey"}
    found = {
        name: tuple(map(str, value)) if name in ("dns", "wins") and isinstance(value, tuple) else value
        for name, value in said(**values).items()
    }
    assert found == {meant.get(name, name): value for name, value in expected.items()}


def test_microsofts_dns_before_altigas() -> None:
    both = {"MS_Primary_DNS_Server": "10.0.0.1", "Altiga_Primary_DNS": "10.0.0.2"}
    assert said(**both) == {"dns": (IPv4Address("10.0.0.1"),)}


def test_what_cannot_be_honoured_is_named_and_the_rest_counts() -> None:
    found = replies.granted(
        reply(
            Framed_Pool="no such name!",
            Framed_IP_Netmask="255.0.255.0",
            Altiga_Split_Tunnel_List="the-list-of-the-asa",
            Framed_Route="somewhere",
            Session_Timeout=60,
        )
    )
    assert found.policy.said() == {"session_limit_seconds": 60}
    assert [words.split()[0] for words in found.left_out] == ["split", "routes:", "pool", "netmask"]


def test_a_value_of_another_length_is_no_value() -> None:
    packet = AuthPacket(AccessAccept, secret=b"x", authenticator=bytes(16), dict=DICTIONARY)
    packet[27] = [b"\0\1"]
    packet[8] = [b"\12\0\0"]
    assert replies.granted(Attributes(packet)).policy.said() == {}


def test_prompts() -> None:
    def prompt(text: str, **values: Any) -> str:
        return replies.prompt_for(reply(**values), text)

    assert prompt("Enter your new PIN") == "next-pin"
    assert prompt("Choose a new password") == "next-pin"
    assert prompt("Enter the next tokencode") == "passcode"
    assert prompt("What is your mother's name?", Prompt=1) == "answer"
    assert prompt("", Prompt=0) == "passcode"
    assert replies.challenge_message(reply()) == "Enter your passcode"


def test_why_it_was_refused() -> None:
    error = b"\0E=648 R=0 C=00 V=3 M=Password expired"
    assert replies.refusal(reply(Reply_Message=["Sorry,", "no."], MS_CHAP_Error=error)) == (
        "Sorry, no.; the password has expired: Password expired"
    )
    assert replies.refusal(reply()) == ""


def test_what_is_shown_holds_no_secret_and_no_control_character() -> None:
    packet = AuthPacket(AccessAccept, secret=b"x", authenticator=bytes(16), dict=DICTIONARY)
    packet["Reply-Message"] = "a\x1b[31mb"
    packet[24] = [b"state"]
    packet[(311, 16)] = [b"a key"]
    packet[(311, 26)] = [b"S=00"]
    packet["Session-Timeout"] = 60
    packet["Service-Type"] = "Framed-User"
    packet[(99, 7)] = [b"\1\2"]
    shown = dict(Attributes(packet).shown())
    assert shown == {
        "Reply-Message": "0x611b5b33316d62",
        "State": "<5 octets>",
        "vendor 311 attribute 16": "<5 octets>",
        "MS-CHAP2-Success": "<4 octets>",
        "Session-Timeout": "60",
        "Service-Type": "Framed-User",
        "vendor 99 attribute 7": "0x0102",
    }
    assert Attributes(packet).text("Reply-Message") == "a[31mb"
