"""How fast programs may ask: so many requests a minute for each token, and for each source whatever it shows.

The generic cell rate algorithm: a subject is one moment, the earliest at which all that it asked would have been due at
an even pace; it may be a minute ahead of that. In memory: the web process answers for itself.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_WINDOW_SECONDS: Final = 60.0
_MOST_SUBJECTS: Final = 10_000


class Rates:
    """Counts requests.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def take(self, subject: str, per_minute: int) -> float:
        """Count a request, and give 0; or give how many seconds to wait, and count nothing.

        Args:
            subject: Who asks.
            per_minute: How many requests it may send in a minute, all at once if it likes; 0: as many as it likes.
        """
        if not per_minute:
            return 0.0
        at = self._clock()
        due = max(self._due.get(subject, at), at) + _WINDOW_SECONDS / per_minute
        wait = due - at - _WINDOW_SECONDS
        if wait > 1e-9:  # what rounding leaves is no reason
            return wait
        self._due[subject] = due
        self._due.move_to_end(subject)
        while len(self._due) > _MOST_SUBJECTS:
            self._due.popitem(last=False)
        return 0.0
