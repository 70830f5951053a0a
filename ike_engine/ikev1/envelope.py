"""How messages become datagrams and back under the keys of an ISAKMP SA (RFC 2409 section 5, appendix B).

Phase 1 has one IV chain; every message id after it has its own, begun from the last phase 1 block.
A message that does not verify never moves an IV: ``open`` works on a copy, ``Opened.take`` commits.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from ike_engine.actions import Transmit
from ike_engine.crypto.ciphers import cbc_decrypt, cbc_encrypt
from ike_engine.crypto.prf import prf
from ike_engine.errors import InvalidHash, Malformed
from ike_engine.exchange import Incident, Opened
from ike_engine.ikev1 import fragmentation
from ike_engine.ikev1.keys import phase_2_iv
from ike_engine.ikev1.messages import Ikev1Message
from ike_engine.ikev1.numbers import ExchangeType, PayloadType
from ike_engine.ikev1.payloads import IKEV1_PAYLOADS
from ike_engine.policy import Phase1Mode
from ike_engine.wire.chain import Payload, encode_chain, parse_chain
from ike_engine.wire.header import HEADER_OCTETS, Flags, Header, encode_message

if TYPE_CHECKING:
    from ike_engine.ikev1.isakmp_sa import IsakmpSa
    from ike_engine.path import Path
    from ike_engine.wire.shapes import Message


def header_of(sa: IsakmpSa, exchange_type: int, message_id: int, first: int, *, encrypted: bool) -> Header:
    """The header of our next message."""
    return Header(
        initiator_spi=sa.cky_i,
        responder_spi=sa.cky_r,
        next_payload=first,
        exchange_type=exchange_type,
        flags=Flags.ENCRYPTION if encrypted else 0,
        message_id=message_id,
    )


def datagrams(sa: IsakmpSa, message: bytes) -> list[Transmit]:
    """``message`` on the SA's path, in fragments when it is long and the peer can put them together."""
    if sa.profile is not None and sa.peer_reassembles:
        return [Transmit(piece, sa.path) for piece in fragmentation.split(message, sa.profile.fragment_octets)]
    return [Transmit(message, sa.path)]


def _encrypt(sa: IsakmpSa, iv: bytes, body: bytes) -> bytes:
    """Pad with zeros to whole blocks (no pad length: the payloads' lengths tell) and encrypt."""
    cipher = sa.agreed.cipher
    padding = -len(body) % cipher.block_octets
    return cbc_encrypt(cipher, sa.secrets.cipher_key, iv, body + bytes(padding))


def _decrypt(sa: IsakmpSa, iv: bytes, data: bytes) -> bytes:
    cipher = sa.agreed.cipher
    if not data or len(data) % cipher.block_octets:
        raise Malformed(f"{len(data)} encrypted octets are no whole blocks")
    return cbc_decrypt(cipher, sa.secrets.cipher_key, iv, data)


class Phase1Transport:
    """Main and aggressive mode: clear until there are keys, then one IV chain in both directions."""

    def __init__(self, sa: IsakmpSa) -> None:
        self._sa = sa
        aggressive = sa.mode is Phase1Mode.AGGRESSIVE
        self._type = int(ExchangeType.AGGRESSIVE if aggressive else ExchangeType.IDENTITY_PROTECTION)
        self._number = 0

    def happened(self, incident: Incident, words: str = "") -> None:
        """Note what became of a message."""
        self._sa.transcript.happened(incident, words)

    def seal(self, message: Message) -> list[Transmit]:
        """Encode ``message``; its class says whether it is encrypted."""
        payloads = message.payloads()
        first, body = encode_chain(payloads)
        encrypted = isinstance(message, Ikev1Message) and message.encrypted is not False
        if encrypted:
            body = _encrypt(self._sa, self._sa.iv, body)
            self._sa.iv = body[-self._sa.agreed.cipher.block_octets :]
        sealed = encode_message(header_of(self._sa, self._type, 0, first, encrypted=encrypted), body)
        sent = datagrams(self._sa, sealed)
        self._number += 1
        self._sa.transcript.note(True, self._type, self._number, encrypted, len(sent), payloads, len(sealed))
        return sent

    def open(self, data: bytes, path: Path) -> Opened:
        """Read a phase 1 message, encrypted or not as its flag says."""
        header = Header.parse(data)
        body = data[HEADER_OCTETS : header.length]
        encrypted = bool(header.flags & Flags.ENCRYPTION)
        block = b""
        if encrypted:
            if self._sa.keys is None:
                raise Malformed("encrypted before there are keys")
            block = body[-self._sa.agreed.cipher.block_octets :]
            body = _decrypt(self._sa, self._sa.iv, body)
        try:
            payloads, _ = parse_chain(header.next_payload, body, IKEV1_PAYLOADS)
        except Malformed as error:
            if encrypted:
                raise Malformed(f"{error} after decryption: the keys differ") from error
            raise

        def take() -> None:
            self._sa.path = path
            if block:
                self._sa.iv = block
            self._number += 1
            transcript = self._sa.transcript
            transcript.note(
                False,
                self._type,
                self._number,
                encrypted,
                transcript.fragments,
                payloads,
                header.length,
            )

        def suits(shape: type[Message]) -> bool:
            return not issubclass(shape, Ikev1Message) or shape.encrypted in (None, encrypted)

        # Whoever knows the cookies can send something that looks encrypted: only the proof inside counts.
        return Opened(payloads, authentic=False, take=take, suits=suits)


class Phase2Transport:
    """One message id after phase 1: always encrypted, HASH first.

    HASH = prf(SKEYID_a, [0 |] M-ID [| Ni_b [| Nr_b]] | what follows the HASH payload)

    Attributes:
        nonces: What quick mode puts between M-ID and the rest: Ni_b for HASH(2), Ni_b | Nr_b for HASH(3).
        prefix: The zero octet in front of HASH(3).
    """

    def __init__(self, sa: IsakmpSa, exchange_type: int, message_id: int) -> None:
        self.nonces = b""
        self.prefix = b""
        self._sa = sa
        self._type = int(exchange_type)
        self._number = 0
        self._message_id = message_id
        self._mid = message_id.to_bytes(4, "big")
        self._iv = phase_2_iv(sa.agreed.hash_algorithm, sa.agreed.cipher, sa.iv, self._mid)

    @property
    def message_id(self) -> int:
        """M-ID."""
        return self._message_id

    def _hash(self, rest: bytes) -> bytes:
        return prf(self._sa.agreed.hash_algorithm, self._sa.secrets.skeyid_a, self.prefix, self._mid, self.nonces, rest)

    def happened(self, incident: Incident, words: str = "") -> None:
        """Note what became of a message."""
        self._sa.transcript.happened(incident, words)

    def seal(self, message: Message) -> list[Transmit]:
        """Put the HASH in front and encrypt."""
        payloads = message.payloads()
        first, rest = encode_chain(payloads)
        value = self._hash(rest)
        body = bytes((first, 0)) + (4 + len(value)).to_bytes(2, "big") + value + rest
        body = _encrypt(self._sa, self._iv, body)
        self._iv = body[-self._sa.agreed.cipher.block_octets :]
        header = header_of(self._sa, self._type, self._message_id, PayloadType.HASH, encrypted=True)
        sealed = encode_message(header, body)
        sent = datagrams(self._sa, sealed)
        self._number += 1
        self._sa.transcript.note(True, self._type, self._number, True, len(sent), payloads, len(sealed))
        return sent

    def open(self, data: bytes, path: Path) -> Opened:
        """Decrypt and verify the HASH."""
        payloads, block = self._verified(data)

        def take() -> None:
            self._iv = block
            self._sa.path = path
            self._number += 1
            transcript = self._sa.transcript
            transcript.note(False, self._type, self._number, True, transcript.fragments, payloads, len(data))

        return Opened(payloads, authentic=True, take=take)

    def _verified(self, data: bytes) -> tuple[tuple[Payload, ...], bytes]:
        header = Header.parse(data)
        if not header.flags & Flags.ENCRYPTION:
            raise Malformed("a clear message after phase 1")
        if header.next_payload != PayloadType.HASH:
            raise Malformed("the first payload is no HASH")
        cipher_text = data[HEADER_OCTETS : header.length]
        body = _decrypt(self._sa, self._iv, cipher_text)
        length = int.from_bytes(body[2:4], "big")
        if length != 4 + self._sa.agreed.hash_algorithm.octets or length > len(body):
            raise Malformed("the HASH payload has not the length of the hash")
        payloads, consumed = parse_chain(body[0], body[length:], IKEV1_PAYLOADS)
        if not hmac.compare_digest(body[4:length], self._hash(body[length : length + consumed])):
            raise InvalidHash(f"HASH of message id {self._message_id:08x} does not verify")
        return payloads, cipher_text[-self._sa.agreed.cipher.block_octets :]
