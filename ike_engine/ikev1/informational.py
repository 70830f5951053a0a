"""Informational exchanges (RFC 2408 section 4.8, RFC 2409 section 5.7): one message, no answer.

HDR*, HASH(1), N/D  -->
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ike_engine.ikev1.envelope import Phase2Transport, datagrams, header_of
from ike_engine.ikev1.messages import Informational
from ike_engine.ikev1.numbers import ExchangeType, NotifyType, ProtocolId
from ike_engine.ikev1.payloads import Delete, Notification
from ike_engine.wire.chain import encode_chain
from ike_engine.wire.header import encode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ike_engine.exchange import Host
    from ike_engine.ikev1.isakmp_sa import IsakmpSa


def draw_message_id(sa: IsakmpSa, entropy: Callable[[int], bytes]) -> int:
    """A message id for an exchange of ours: random, not zero, not used on this SA."""
    while True:
        message_id = int.from_bytes(entropy(4), "big")
        if message_id and sa.claim_message_id(message_id):
            return message_id


def send(host: Host, sa: IsakmpSa, entropy: Callable[[int], bytes], message: Informational) -> None:
    """Send once, protected; needs an established SA."""
    transport = Phase2Transport(sa, ExchangeType.INFORMATIONAL, draw_message_id(sa, entropy))
    for transmit in transport.seal(message):
        host.emit(transmit)


def notify(kind: int, sa: IsakmpSa, data: bytes = b"") -> Notification:
    """A notification about the ISAKMP SA: both cookies are its SPI."""
    return Notification(type=kind, spi=sa.cky_i + sa.cky_r, data=data)


def delete_children(host: Host, sa: IsakmpSa, entropy: Callable[[int], bytes], inbound_spis: Iterable[int]) -> None:
    """Tell the peer that it must not send on these SAs any more (RFC 2408 section 5.15)."""
    spis = tuple(spi.to_bytes(4, "big") for spi in inbound_spis)
    if spis:
        send(host, sa, entropy, Informational(deletes=(Delete(protocol=ProtocolId.ESP, spis=spis),)))


def delete_isakmp(host: Host, sa: IsakmpSa, entropy: Callable[[int], bytes]) -> None:
    """Tell the peer that this ISAKMP SA is gone."""
    delete = Delete(protocol=ProtocolId.ISAKMP, spis=(sa.cky_i + sa.cky_r,))
    send(host, sa, entropy, Informational(deletes=(delete,)))


def report_failure(host: Host, sa: IsakmpSa, entropy: Callable[[int], bytes], kind: int) -> None:
    """Send an error notify, protected when phase 1 is done, else in clear as there are no keys to trust yet."""
    notification = notify(NotifyType(kind), sa)
    if sa.established:
        send(host, sa, entropy, Informational(everywhere=(notification,)))
        return
    first, body = encode_chain((notification,))
    message_id = int.from_bytes(entropy(4), "big")
    message = encode_message(header_of(sa, ExchangeType.INFORMATIONAL, message_id, first, encrypted=False), body)
    sent = datagrams(sa, message)
    sa.transcript.note(True, ExchangeType.INFORMATIONAL, 1, False, len(sent), (notification,), len(message))
    for transmit in sent:
        host.emit(transmit)
