"""The lines of the RFC's diagrams: what a docstring shows is what the annotations say."""

from __future__ import annotations

import re

import pytest

from ike_engine.errors import Malformed
from ike_engine.ikev1 import messages
from ike_engine.ikev1.messages import Ikev1Message, Informational, MainMode1, MainMode5, QuickMode1
from ike_engine.ikev1.payloads import Delete as DeletePayload
from ike_engine.ikev1.payloads import Hash, Identity, Nonce, Notification, VendorId
from tests.ike_engine.ikev1.test_captured_clients import clear
from tests.vectors.captured import handshake

SHAPES = [
    shape
    for shape in vars(messages).values()
    if isinstance(shape, type) and issubclass(shape, Ikev1Message) and shape is not Ikev1Message
]
BY_TOKEN = {
    "SA": "sa",
    "KE": "key_exchange",
    "Ni": "nonce",
    "Nr": "nonce",
    "IDii": "identity",
    "IDir": "identity",
    "IDci": "identities",
    "IDcr": "identities",
    "CERT": "certificates",
    "CERTREQ": "certificate_requests",
    "HASH_I": "proof",
    "SIG_I": "proof",
    "HASH_R": "proof",
    "SIG_R": "proof",
    "NAT-D": "nat_detections",
    "NAT-OAi": "nat_original_addresses",
    "NAT-OAr": "nat_original_addresses",
    "ATTR": "attributes",
    "N/D": "deletes",
}
"""Field of each word of a diagram."""


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_docstring_is_the_line_of_the_diagram(shape: type[Ikev1Message]) -> None:
    line = shape.__doc__ or ""
    head, *words = re.findall(r"HDR\[?\*?\]?|[A-Za-z][\w/-]*(?:\(\d\))?", line)
    assert head == {True: "HDR*", False: "HDR", None: "HDR[*]"}[shape.encrypted]
    named = list(dict.fromkeys(BY_TOKEN[word] for word in words if not word.startswith("HASH") or word in BY_TOKEN))
    assert set(named) == {place.name for place in shape._places}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_what_stands_in_brackets_may_be_missing(shape: type[Ikev1Message]) -> None:
    line = re.sub(r"\[[^\]]*\]", "", (shape.__doc__ or "").replace("HDR[*]", "HDR"))
    required = {BY_TOKEN[word] for word in re.findall(r"[A-Za-z][\w/-]*", line) if word in BY_TOKEN}
    assert {place.name for place in shape._places if place.required} == required - {"deletes"}


def test_a_captured_first_message_fits() -> None:
    m1 = MainMode1.match(clear(bytes.fromhex(handshake("nat-main-strongswan-gw")["messages"][0]["hex"])))
    assert len(m1.vendor_ids) == 6


def test_payloads_come_in_any_order() -> None:
    identity, proof = Identity(kind=2, data=b"x"), Hash(data=b"y")
    assert MainMode5.match((proof, identity)) == MainMode5.match((identity, proof))


def test_vendor_ids_and_notifications_ride_anywhere_and_nothing_else_does() -> None:
    riding = VendorId(data=b"v"), Notification(type=24_578)
    message = Informational.match(riding)
    assert message.vendor_ids == (b"v",)
    assert message.notifications == riding[1:]
    with pytest.raises(Malformed, match="no place for this Nonce"):
        Informational.match((Nonce(data=bytes(8)),))


def test_one_too_many_is_malformed() -> None:
    with pytest.raises(Malformed):
        MainMode5.match((Hash(data=b""), Hash(data=b""), Identity(kind=2, data=b"")))
    with pytest.raises(Malformed, match="SecurityAssociation is missing"):
        QuickMode1.match((Nonce(data=bytes(8)),))
    assert Informational.match((DeletePayload(protocol=3, spis=()),)).deletes
