"""What the chain expects of every source of users: local, and later PAM and RADIUS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from appliance.auth.verdicts import Attempt, Verdict


class Realm(Protocol):
    """One configured source of users."""

    @property
    def name(self) -> str:
        """As the administrator calls it."""

    async def authenticate(self, attempt: Attempt) -> Verdict:
        """Judge one round of a login.

        May be cancelled at any ``await`` when the client is gone. Takes the same time for an
        unknown user as for a wrong password. Raises nothing for what a user or a server did:
        that is ``Rejected`` or ``Unavailable``.
        """
