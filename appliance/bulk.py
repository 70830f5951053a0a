"""Many things asked for at once: each is done or refused by itself, and has an outcome of its own."""

from collections.abc import Awaitable, Iterable
from typing import Annotated, NamedTuple, Self

from pydantic import Field, ValidationError

from appliance import problems
from appliance.errors import ApplianceError, NotFound
from appliance.problems import ProblemDocument
from appliance.schema import Schema


class Done(NamedTuple):
    """One of them is done.

    Attributes:
        status: HTTP status that it had answered alone.
        changed: Anything is other than before.
    """

    status: int
    changed: bool = True


class Outcome(Schema):
    """What became of one of them."""

    item: Annotated[str, Field(description="Name or number of the thing.")]
    status: Annotated[int, Field(description="What the answer had been, had it been asked for alone.")]
    changed: Annotated[bool, Field(description="Whether anything is other than before.")]
    problem: Annotated[ProblemDocument | None, Field(description="Why it was refused, if it was.")] = None


class Outcomes(Schema):
    """What became of each of them, in the order in which they were asked for."""

    done: int
    refused: int
    outcomes: list[Outcome]

    @classmethod
    def of(cls, each: list[Outcome]) -> Self:
        """Count them."""
        refused = sum(outcome.problem is not None for outcome in each)
        return cls(done=len(each) - refused, refused=refused, outcomes=each)


async def outcomes(asked: Iterable[tuple[str, Awaitable[Done]]]) -> Outcomes:
    """Do one after the other; what is refused stops no other.

    Args:
        asked: What each is about, and the doing of it: raises before it changed anything.
    """
    return Outcomes.of([await _outcome(item, doing) for item, doing in asked])


async def _outcome(item: str, doing: Awaitable[Done]) -> Outcome:
    try:
        done = await doing
    except (ApplianceError, ValidationError) as error:
        problem = problems.described(error.as_input() if isinstance(error, NotFound) and error.field else error)
        return Outcome(item=item, status=problem.status, changed=False, problem=problem)
    return Outcome(item=item, status=done.status, changed=done.changed)
