"""How long a refusal takes at least, door within door: else its time would tell who is known, and to which realm.

Each of these is longer than what it stands around, so that the one inside never shows.
"""

from typing import Final

PAM_SECONDS: Final = 2.0
"""Of one realm: ``pam_unix`` is fast for users it does not know."""

SEVERAL_REALMS_SECONDS: Final = 2.5
"""Where several realms may judge. Longer than PAM, and than most servers take to refuse (FreeRADIUS: 1 s)."""

PORTAL_SECONDS: Final = 4.0
"""Where the portal has a gateway ask several realms: as above, and the order to the gateway and back."""


def rest(began: float, least_seconds: float, now: float) -> float:
    """Give for how many seconds a refusal is held back still.

    Args:
        began: When judging began.
        least_seconds: One of the above.
        now: By the same clock.
    """
    return max(0.0, began + least_seconds - now)
