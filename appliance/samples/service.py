"""Looking back: what all gateways carried and let in, in equal steps. Gateways alone write samples."""

from datetime import UTC, datetime
from typing import Final

from appliance.installation import Transaction
from appliance.models.columns import now
from appliance.samples import repository
from appliance.samples.schemas import History, Span, Step

_COUNTED: Final = ("sessions", "octets_in", "octets_out", "logins", "refusals")


async def history(work: Transaction, wanted: Span) -> History:
    """Give what happened up to now; steps in which nothing did are there, too."""
    minutes = wanted.hours * 60
    a_step = -(-minutes // wanted.steps)
    last = int(now().timestamp()) // 60 // a_step
    first = last - minutes // a_step + 1
    steps = [Step(at=datetime.fromtimestamp(number * a_step * 60, UTC)) for number in range(first, last + 1)]
    for number, *counts in await repository.steps(work.session, first * a_step, a_step, wanted.node):
        if number < len(steps):
            steps[number] = Step(at=steps[number].at, **dict(zip(_COUNTED, counts, strict=True)))
    return History(step_seconds=a_step * 60, steps=steps)
