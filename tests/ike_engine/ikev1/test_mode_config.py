"""Mode Config as a transcript: pulled and pushed, attribute by attribute, as real clients ask."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike_engine.actions import Configuration, Configure, Refused
from ike_engine.crypto.suites import DhGroup
from ike_engine.errors import ConfigurationRefused, Malformed
from ike_engine.events import Goodbye, PeerConnected, PeerGone, PeerRefused, Stage
from ike_engine.ikev1 import mode_config
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.mode_config import ASKED, LONGEST_HOSTNAME
from ike_engine.ikev1.numbers import ExchangeType, NotifyType, ProtocolId, TransactionType
from ike_engine.ikev1.numbers import ModeConfigAttribute as Mode
from ike_engine.ikev1.payloads import Attributes
from ike_engine.wire import vendor_ids
from ike_engine.wire.attributes import Attribute
from tests.ike_engine.lab import CONFIGURATION, newest_sa, pair, passwords
from tests.ike_engine.network import Weather
from tests.ike_engine.playbook import Script

EVERYTHING = Configuration(
    address=IPv4Address("10.77.0.2"),
    netmask=IPv4Address("255.255.255.0"),
    dns=(IPv4Address("10.1.0.53"), IPv4Address("10.1.0.54")),
    wins=(IPv4Address("10.1.0.42"),),
    domain="example.test",
    split_include=(IPv4Network("10.1.0.0/16"), IPv4Network("192.168.7.0/24")),
    split_dns=("example.test", "corp.example.test"),
    banner="Welcome\nto the lab",
    save_password=True,
)
LOGIN = (b"alice", b"s3cret")
VPNC = (
    Attribute(Mode.INTERNAL_IP4_ADDRESS, b""),
    Attribute(Mode.INTERNAL_IP4_NETMASK, b""),
    Attribute(Mode.INTERNAL_IP4_DNS, b""),
    Attribute(Mode.INTERNAL_IP4_NBNS, b""),
    Attribute(Mode.UNITY_DEF_DOMAIN, b""),
    Attribute(Mode.UNITY_FW_TYPE, bytes.fromhex("800100018002000180030002")),
    Attribute(Mode.UNITY_PFS, b""),
    Attribute(Mode.UNITY_BANNER, b""),
    Attribute(Mode.UNITY_SAVE_PASSWD, b""),
    Attribute(Mode.UNITY_SPLIT_INCLUDE, b""),
    Attribute(Mode.UNITY_SPLITDNS_NAME, b""),
    Attribute(Mode.UNITY_NATT_PORT, b""),
    Attribute(Mode.UNITY_DDNS_HOSTNAME, b"laptop"),
    Attribute(Mode.APPLICATION_VERSION, b"Cisco Systems VPN Client 0.5.3:Linux"),
)
"""# quirk: vpnc 0.5.3: values in a REQUEST, and attributes that nobody else knows."""


def logged_in(configuration: Configuration | None = EVERYTHING, **parts: Any) -> Script:
    client = Script(pair(configuration=configuration, **parts))
    client.logs_in()
    return client


def numbers(attributes: Attributes) -> list[int]:
    return [int(attribute.type) for attribute in attributes.attributes]


# ---- pull ---------------------------------------------------------------------------------------------


def test_a_client_gets_what_it_asks_for_in_its_order() -> None:
    client = logged_in()
    client.asks(*VPNC, identifier=20)
    reply = client.hears_asked()
    assert (reply.type, reply.identifier) == (TransactionType.REPLY, 20)
    assert reply.attributes == (
        Attribute(Mode.INTERNAL_IP4_ADDRESS, bytes((10, 77, 0, 2))),
        Attribute(Mode.INTERNAL_IP4_NETMASK, bytes((255, 255, 255, 0))),
        Attribute(Mode.INTERNAL_IP4_DNS, bytes((10, 1, 0, 53))),
        Attribute(Mode.INTERNAL_IP4_DNS, bytes((10, 1, 0, 54))),
        Attribute(Mode.INTERNAL_IP4_NBNS, bytes((10, 1, 0, 42))),
        Attribute(Mode.UNITY_DEF_DOMAIN, b"example.test"),
        Attribute(Mode.UNITY_PFS, 0),
        Attribute(Mode.UNITY_BANNER, b"Welcome\nto the lab"),
        Attribute(Mode.UNITY_SAVE_PASSWD, 1),
        Attribute(
            Mode.UNITY_SPLIT_INCLUDE,
            bytes((10, 1, 0, 0, 255, 255, 0, 0)) + bytes(6) + bytes((192, 168, 7, 0, 255, 255, 255, 0)) + bytes(6),
        ),
        Attribute(Mode.UNITY_SPLITDNS_NAME, b"example.test,corp.example.test\0"),
        Attribute(Mode.UNITY_DDNS_HOSTNAME, b"laptop"),
        Attribute(Mode.APPLICATION_VERSION, b"Coati"),
    )


@pytest.mark.parametrize(
    "asked",
    [
        # quirk: strongSwan 5.9.8 without Unity: address and DNS alone.
        (Mode.INTERNAL_IP4_ADDRESS, Mode.INTERNAL_IP4_DNS),
        # quirk: strongSwan 5.9.8 with Unity.
        (Mode.INTERNAL_IP4_ADDRESS, Mode.INTERNAL_IP4_DNS, Mode.UNITY_SPLIT_INCLUDE, Mode.UNITY_LOCAL_LAN),
        # quirk: libreswan 4.10: six of them, identifier 0.
        (
            Mode.INTERNAL_IP4_ADDRESS,
            Mode.INTERNAL_IP4_NETMASK,
            Mode.INTERNAL_IP4_DNS,
            Mode.UNITY_BANNER,
            Mode.UNITY_DEF_DOMAIN,
            Mode.UNITY_SPLIT_INCLUDE,
        ),
    ],
)
def test_nobody_gets_what_it_did_not_ask_for(asked: tuple[int, ...]) -> None:
    client = logged_in()
    client.asks(*(Attribute(number, b"") for number in asked))
    assert set(numbers(client.hears_asked())) <= set(asked)


def test_zeros_ask_as_well_as_nothing() -> None:
    # quirk: racoon: asks with four zero octets for each address.
    client = logged_in()
    client.asks(Attribute(Mode.INTERNAL_IP4_ADDRESS, bytes(4)), Attribute(Mode.INTERNAL_IP4_DNS, bytes(4)))
    assert client.hears_asked().attributes[0] == Attribute(Mode.INTERNAL_IP4_ADDRESS, bytes((10, 77, 0, 2)))


def test_what_is_asked_twice_is_told_once() -> None:
    client = logged_in()
    client.asks(*(2 * (Attribute(Mode.INTERNAL_IP4_ADDRESS, b""),)))
    assert numbers(client.hears_asked()) == [Mode.INTERNAL_IP4_ADDRESS]


def test_what_has_no_value_is_not_told() -> None:
    client = logged_in(Configuration(address=IPv4Address("10.77.0.2")))
    client.asks(*VPNC[:-2])
    assert numbers(client.hears_asked()) == [
        Mode.INTERNAL_IP4_ADDRESS,
        Mode.INTERNAL_IP4_NETMASK,
        Mode.UNITY_PFS,
        Mode.UNITY_SAVE_PASSWD,
    ]


def test_networks_outside_are_told_only_when_everything_goes_inside() -> None:
    outside = (IPv4Network("192.168.0.0/16"),)
    asked = Attribute(Mode.UNITY_SPLIT_INCLUDE, b""), Attribute(Mode.UNITY_LOCAL_LAN, b"")
    client = logged_in(Configuration(address=IPv4Address("10.77.0.2"), split_exclude=outside))
    client.asks(*asked)
    assert client.hears_asked().attributes == (
        Attribute(Mode.UNITY_LOCAL_LAN, bytes((192, 168, 0, 0, 255, 255, 0, 0)) + bytes(6)),
    )
    client = logged_in(
        Configuration(
            address=IPv4Address("10.77.0.2"), split_exclude=outside, split_include=(IPv4Network("10.0.0.0/8"),)
        )
    )
    client.asks(*asked)
    assert numbers(client.hears_asked()) == [Mode.UNITY_SPLIT_INCLUDE]


@pytest.mark.parametrize(("require", "told"), [(False, 0), (True, 14)])
def test_pfs_is_told_when_it_is_a_must(*, require: bool, told: int) -> None:
    client = logged_in(gateway={"require_pfs": require, "pfs_groups": (DhGroup.MODP_2048, DhGroup.MODP_1024)})
    client.asks(Attribute(Mode.UNITY_PFS, b""))
    assert client.hears_asked().attributes == (Attribute(Mode.UNITY_PFS, told),)


def test_names_are_one_attribute_that_ends_in_nul() -> None:
    # quirk: macOS: reads past a value that is not NUL-terminated, into the next attribute.
    client = logged_in()
    client.asks(Attribute(Mode.UNITY_SPLITDNS_NAME, b""))
    (names,) = client.hears_asked().attributes
    assert names.octets == b"example.test,corp.example.test\0"


def test_a_very_long_name_of_a_client_travels_back_cut() -> None:
    client = logged_in()
    client.asks(Attribute(Mode.UNITY_DDNS_HOSTNAME, b"x" * 400))
    (name,) = client.hears_asked().attributes
    assert name.octets == b"x" * LONGEST_HOSTNAME


def test_the_client_is_known_by_what_it_says_of_itself() -> None:
    client = Script(pair(configuration=EVERYTHING))
    asked: list[Configure] = []
    answer = client.lab.gateway.answer
    client.lab.gateway.answer = lambda q: (asked.append(q) if isinstance(q, Configure) else None, answer(q))[1]
    client.logs_in()
    client.asks(
        Attribute(Mode.INTERNAL_IP4_ADDRESS, b""),
        Attribute(Mode.UNITY_DDNS_HOSTNAME, b"laptop\x1b[2J"),
        Attribute(Mode.APPLICATION_VERSION, b"Cisco\0"),
    )
    client.hears_asked()
    assert [(q.user, q.hostname, q.application_version) for q in asked] == [("alice", "laptop[2J", "Cisco")]


def test_asking_again_gives_the_same_address_and_takes_no_second_one() -> None:
    client = Script(pair())
    asked: list[Any] = []
    client.lab.gateway.answer = lambda q: (
        asked.append(q),
        passwords({"alice": b"s3cret"}, CONFIGURATION)(q),
    )[1]
    client.logs_in()
    told = []
    for message_id in (0x300, 0x301):
        client.asks(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""), message_id=message_id)
        told.append(client.hears_asked().attributes)
    assert told[0] == told[1]
    assert sum(isinstance(question, Configure) for question in asked) == 1


def test_a_request_repeated_gets_the_very_octets_again() -> None:
    client = logged_in()
    request = client.asks(*VPNC)
    client.hears_asked()
    reply = client.lab.gateway.sent[-1]
    before = len(client.lab.gateway.sent)
    client.repeats(request)
    assert client.lab.gateway.sent[before:] == [reply]


def test_a_full_pool_is_told_and_the_sa_deleted() -> None:
    client = logged_in(None)
    client.asks(*VPNC)
    (notification,) = client.hears(Informational).notifications
    assert notification.type == NotifyType.NO_PROPOSAL_CHOSEN
    (delete,) = client.hears(Informational).deletes
    assert delete.protocol == ProtocolId.ISAKMP
    refused = client.lab.gateway.one(PeerRefused)
    assert (refused.stage, refused.reason) == (Stage.MODE_CONFIG, "the pool is exhausted")


def test_a_request_before_the_login_waits_for_it() -> None:
    # quirk: racoon, strongSwan: everything else is kept back until Xauth is done, and so do we.
    client = Script(pair())
    xauth = client.hears_asked()
    login = client.message_id
    client.asks(*VPNC)
    client.hears_nothing()
    client.message_id = login
    client.answers(*(Attribute(asked.type, value) for asked, value in zip(xauth.attributes, LOGIN, strict=True)))
    client.hears_asked()
    client.answers(kind=TransactionType.ACK)
    assert client.hears_asked().type == TransactionType.REPLY
    assert client.message_id == 0x300


def test_anything_but_a_request_is_refused() -> None:
    client = logged_in()
    client.begin(ExchangeType.TRANSACTION, 0x300)
    client.answers(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""), kind=TransactionType.SET)
    client.waits(1)
    assert "where a Mode Config REQUEST was due" in client.lab.gateway.one(PeerRefused).reason


# ---- push ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_push_gives_our_client_everything_over_a_terrible_network(seed: int) -> None:
    lab = pair(
        configuration=EVERYTHING,
        gateway={"configuration_push": True},
        weather=Weather(loss=0.2, duplication=0.3, jitter=0.3),
        seed=seed,
    )
    lab.connect(seconds=100)
    assert lab.client.one(PeerConnected).configuration == EVERYTHING
    assert lab.gateway.one(PeerConnected).virtual_ip == EVERYTHING.address


def test_a_push_is_a_set_that_is_acknowledged() -> None:
    client = logged_in(gateway={"configuration_push": True})
    pushed = client.hears_asked()
    assert pushed.type == TransactionType.SET
    assert numbers(pushed)[:2] == [Mode.INTERNAL_IP4_ADDRESS, Mode.INTERNAL_IP4_NETMASK]
    assert Mode.UNITY_SPLIT_INCLUDE in numbers(pushed)
    client.answers(Attribute(Mode.INTERNAL_IP4_ADDRESS, b""), kind=TransactionType.ACK)
    client.hears_nothing()


def test_unity_attributes_are_pushed_to_unity_clients_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_ids, "CISCO_UNITY", b"somebody else's")
    client = logged_in(gateway={"configuration_push": True})
    monkeypatch.undo()
    assert all(number < Mode.UNITY_BANNER for number in numbers(client.hears_asked()))


def test_a_push_that_nobody_acknowledges_does_not_end_who_has_an_address() -> None:
    client = logged_in(gateway={"configuration_push": True, "dpd_interval_seconds": 0})
    client.hears_asked()
    client.waits(60)
    assert not client.lab.gateway.of(PeerGone)


def test_a_push_that_cannot_be_filled_ends_the_stay() -> None:
    lab = pair(configuration=None, gateway={"configuration_push": True})
    lab.connect(seconds=60)
    assert lab.gateway.one(PeerRefused).reason == "the pool is exhausted"
    assert lab.gateway.one(PeerGone).goodbye is Goodbye.FAILED


# ---- values -------------------------------------------------------------------------------------------

addresses = st.builds(IPv4Address, st.integers(0, 2**32 - 1))
networks = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)
)
words = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)


@given(
    st.builds(
        Configuration,
        address=addresses.filter(lambda ip: not (ip.is_unspecified or ip.is_loopback or ip.is_multicast)),
        netmask=addresses,
        dns=st.lists(addresses, max_size=3).map(tuple),
        wins=st.lists(addresses, max_size=3).map(tuple),
        domain=words | st.just(""),
        split_include=st.lists(networks, max_size=3).map(tuple),
        split_exclude=st.lists(networks, max_size=3).map(tuple),
        split_dns=st.lists(words, max_size=3).map(tuple),
        banner=words | st.just(""),
        save_password=st.booleans(),
    )
)
def test_a_configuration_arrives_as_it_was_meant(configuration: Configuration) -> None:
    sa = newest_sa(CONNECTED.gateway)
    told = Attributes(
        type=TransactionType.REPLY, attributes=tuple(mode_config.encode(configuration, sa, tuple(map(int, ASKED))))
    )
    arrived = mode_config.decode(Attributes.parse(told.encode()))
    excluded = configuration.split_exclude if not configuration.split_include else ()
    assert arrived == Configuration(
        **{
            field: getattr(configuration, field)
            for field in ("address", "netmask", "dns", "wins", "domain", "split_include", "split_dns", "banner")
        },
        split_exclude=excluded,
        save_password=configuration.save_password,
    )


CONNECTED = pair()
CONNECTED.connect(seconds=5)


def test_the_zeros_after_the_last_split_network_may_be_missing() -> None:
    # quirk: some gateways leave them out; strongSwan takes that too.
    entry = bytes((10, 1, 0, 0, 255, 255, 0, 0))
    configuration = mode_config.decode(
        Attributes(
            type=TransactionType.REPLY,
            attributes=(
                Attribute(Mode.INTERNAL_IP4_ADDRESS, bytes((10, 77, 0, 2))),
                Attribute(Mode.UNITY_SPLIT_INCLUDE, entry + bytes(6) + entry),
            ),
        )
    )
    assert configuration.split_include == 2 * (IPv4Network("10.1.0.0/16"),)


def test_a_gateway_that_gives_no_address_gives_nothing() -> None:
    with pytest.raises(ConfigurationRefused, match="gave no address"):
        mode_config.decode(
            Attributes(type=TransactionType.REPLY, attributes=(Attribute(Mode.INTERNAL_IP4_DNS, bytes(4)),))
        )


def given(address: str, *attributes: Attribute) -> Configuration:
    """What our client makes of it."""
    own = Attribute(Mode.INTERNAL_IP4_ADDRESS, IPv4Address(address).packed)
    return mode_config.decode(Attributes(type=TransactionType.REPLY, attributes=(own, *attributes)))


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.53", "224.0.0.251"])
def test_what_cannot_be_an_address_of_ours_is_not_taken(address: str) -> None:
    with pytest.raises(ConfigurationRefused, match=f"gave {address}, which cannot"):
        given(address)


def test_a_gateway_that_names_more_networks_than_there_are_is_refused() -> None:
    entries = b"".join(bytes((10, number >> 8, number & 255, 0, 255, 255, 255, 0)) + bytes(6) for number in range(300))
    both = Attribute(Mode.UNITY_SPLIT_INCLUDE, entries), Attribute(Mode.UNITY_LOCAL_LAN, entries)
    assert len(given("10.77.0.2", both[0]).split_include) == 300
    with pytest.raises(ConfigurationRefused, match="600 networks; 512 is the most"):
        given("10.77.0.2", *both)


def test_of_very_many_names_some_are_taken() -> None:
    names = Attribute(Mode.UNITY_SPLITDNS_NAME, b"a," * 1_000)
    assert given("10.77.0.2", names).split_dns == ("a",) * 256


@pytest.mark.parametrize("value", [bytes(3), bytes((10, 0, 0, 0, 255, 0, 255, 0))])
def test_a_split_network_that_is_none_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        mode_config.decode(
            Attributes(
                type=TransactionType.REPLY,
                attributes=(
                    Attribute(Mode.INTERNAL_IP4_ADDRESS, bytes(4)),
                    Attribute(Mode.UNITY_SPLIT_INCLUDE, value),
                ),
            )
        )


def test_a_refusal_of_our_client_is_told_in_words() -> None:
    lab = pair()
    answer = lab.gateway.answer
    lab.gateway.answer = lambda q: Refused("no more than two sessions") if isinstance(q, Configure) else answer(q)
    lab.connect(seconds=10)
    assert "NO-PROPOSAL-CHOSEN" in lab.client.one(PeerRefused).reason
    assert lab.client.one(PeerRefused).stage is Stage.MODE_CONFIG
