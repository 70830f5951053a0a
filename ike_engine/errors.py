"""What can go wrong in an exchange, and the notify that tells the peer (RFC 2408 section 3.14.1).

``notify`` is the number of the error notify that the runner sends, ``None`` for silence. The
message of the exception is for the administrator: it says in words what was wrong and, where a
setting would help, which.
"""

from __future__ import annotations

from typing import ClassVar


class IkeError(Exception):
    """Base of every failure of an exchange.

    Attributes:
        notify: Notify message type (RFC 2408 section 3.14.1) for the peer, or ``None``.
        remedy: What an administrator could change to let the peer in; may be empty.
    """

    notify: ClassVar[int | None] = None

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class Malformed(IkeError):
    """Octets from the network that are not what they claim to be. Parsing raises nothing else."""

    notify = 16  # PAYLOAD-MALFORMED


class InvalidExchangeType(IkeError):
    """An exchange that this policy does not allow."""

    notify = 7  # INVALID-EXCHANGE-TYPE


class NoProposalChosen(IkeError):
    """Nothing that was offered is acceptable."""

    notify = 14  # NO-PROPOSAL-CHOSEN


class InvalidKeyInformation(IkeError):
    """A Diffie-Hellman public value outside its group."""

    notify = 17  # INVALID-KEY-INFORMATION


class InvalidIdInformation(IkeError):
    """An identity or traffic selector that is not acceptable."""

    notify = 18  # INVALID-ID-INFORMATION


class InvalidCertificate(IkeError):
    """A certificate that cannot be believed."""

    notify = 20  # INVALID-CERTIFICATE


class InvalidHash(IkeError):
    """A HASH that does not verify: wrong key, or not who it claims to be."""

    notify = 23  # INVALID-HASH-INFORMATION


class AuthenticationFailed(IkeError):
    """The peer did not prove who it is."""

    notify = 24  # AUTHENTICATION-FAILED


class InvalidSignature(IkeError):
    """A signature that does not verify."""

    notify = 25  # INVALID-SIGNATURE


class PeerFailed(IkeError):
    """The peer itself reported a failure; answering it would answer an error with an error."""


class TimedOut(IkeError):
    """The deadline of the exchange passed, or the peer stopped answering."""


class ConfigurationRefused(IkeError):
    """No configuration (address) can be given to this peer."""

    notify = 14


class Superseded(IkeError):
    """The exchange was overtaken: its SA is gone or another took its place."""
