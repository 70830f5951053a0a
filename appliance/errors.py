"""What a service refuses, in words; every door says it in its own way.

The API turns these into ``application/problem+json`` (RFC 9457), the command line into a message and
an exit code, the panel into a form with the field marked.
"""

from typing import Final


class ApplianceError(Exception):
    """Base of everything that a service refuses.

    Attributes:
        kind: Stable name of the kind of problem, the last part of problem+json's ``type``.
        status: HTTP status.
        field: The input that is wrong, if one is.
        remedy: What to do about it; may be empty.
    """

    kind: str = "error"
    status: int = 500

    def __init__(self, message: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.remedy = remedy


class NotFound(ApplianceError):
    """There is no such thing."""

    kind = "not-found"
    status = 404

    def as_input(self) -> "Invalid":
        """Say it of the field that names the thing, when the thing that was asked for is another, and there."""
        return Invalid(str(self), field=self.field, remedy=self.remedy)


class AlreadyExists(ApplianceError):
    """The name (or address) is taken."""

    kind = "already-exists"
    status = 409


class InUse(ApplianceError):
    """It cannot go or change as long as something else needs it."""

    kind = "in-use"
    status = 409


class LostUpdate(ApplianceError):
    """It changed since whoever asks has seen it."""

    kind = "lost-update"
    status = 412


class Invalid(ApplianceError):
    """The input is not acceptable."""

    kind = "invalid"
    status = 422


class Unauthenticated(ApplianceError):
    """Nobody known asks."""

    kind = "unauthenticated"
    status = 401


class Forbidden(ApplianceError):
    """Who asks may not do this."""

    kind = "forbidden"
    status = 403


class TooManyAttempts(ApplianceError):
    """Guessing is slowed down.

    Attributes:
        retry_after_seconds: When to try again.
    """

    kind = "too-many-attempts"
    status = 429

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message, remedy=f"try again in {retry_after_seconds} seconds")
        self.retry_after_seconds = retry_after_seconds


class TooManyRequests(TooManyAttempts):
    """A program asks faster than it may."""

    kind = "too-many-requests"


class OutOfReach(ApplianceError):
    """What would have to answer this does not now."""

    kind = "out-of-reach"
    status = 503


REFUSALS: Final = (
    Unauthenticated,
    Forbidden,
    NotFound,
    AlreadyExists,
    InUse,
    LostUpdate,
    Invalid,
    TooManyAttempts,
    TooManyRequests,
    OutOfReach,
)
"""All that the API may answer with, for its documentation."""
