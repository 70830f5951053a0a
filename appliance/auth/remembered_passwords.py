"""The memory of passwords that were right, so that a storm of reconnecting clients pays argon2 once.

What is kept is a MAC of the password under a key that dies with the process, bound to the stored
hash: a new password, or the same one hashed anew, ends the memory by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

from appliance import passwords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ike_engine.secret import Secret

_MOST_USERS = 100_000


class RememberedPasswords:
    """Verifies passwords for one process.

    Args:
        verify: Does the slow work off the event loop; given no hash it does the same work for nothing.
        at_once: How many of these may run at the same time; the rest queue here, where a client
            that gives up costs nothing.
    """

    def __init__(
        self,
        verify: Callable[[str | None, bytes], Awaitable[bool]] = passwords.verify,
        *,
        at_once: int = os.cpu_count() or 1,
    ) -> None:
        self._verify = verify
        self._slots = asyncio.Semaphore(at_once)
        self._key = secrets.token_bytes(32)
        self._tags: OrderedDict[str, bytes] = OrderedDict()

    async def verify(self, user: str, stored: str | None, password: Secret, *, remember: bool = True) -> bool:
        """Tell whether ``password`` is what ``stored`` was made from.

        Args:
            user: Whose it is; two users with one password share nothing.
            stored: The argon2 hash, or ``None`` for a user who does not exist: the same work, never true.
            password: What the client sent.
            remember: Let the memory answer and learn. Off for accounts that may not log in: to answer
                them fast would tell that the password was right.
        """
        tag = self._tag(user, stored or "", password)
        if remember and self._knows(user, tag):
            return True
        async with self._slots:
            if remember and self._knows(user, tag):  # learned while this one queued
                return True
            good = await self._verify(stored, password)
        if good and remember:
            self._tags[user] = tag
            self._tags.move_to_end(user)
            if len(self._tags) > _MOST_USERS:
                self._tags.popitem(last=False)
        return good

    def _knows(self, user: str, tag: bytes) -> bool:
        return hmac.compare_digest(self._tags.get(user, b""), tag)

    def _tag(self, user: str, stored: str, password: Secret) -> bytes:
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in (user.encode(), stored.encode(), password):
            mac.update(len(part).to_bytes(8, "big"))
            mac.update(part)
        return mac.digest()
