"""A change that is made and undone, to see what it would change, and what it would do to live sessions.

``?dry_run=true`` of the API and ``--dry-run`` of the command line: the same as the panel shows before it saves. The
change goes all its way in its transaction, so what would be refused is refused; then everything is taken back.
"""

import json
from collections.abc import Callable, Collection
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse

from appliance.api.dependencies import NounRoute, Rehearsed
from appliance.audit import service as audit
from appliance.configuration.schemas import Rehearsal
from appliance.installation import Transaction

MEDIA_TYPE: Final = "application/vnd.coati.rehearsal+json"
"""Of an answer that tells what a change would do, not what the thing is now."""

_SECRETS: Final = frozenset({"pre_shared_key"})
"""What concerns live sessions and leaves no trace in the audit log."""


class DryRun:
    """A change that is tried.

    Args:
        given: The fields that it names.
    """

    def __init__(self, given: Collection[str]) -> None:
        self._secrets = sorted(_SECRETS.intersection(given))
        self._before = 0

    async def begin(self, work: Transaction) -> None:
        """Remember how it was."""
        self._before = await audit.latest(work)

    async def end(self, work: Transaction) -> Rehearsed:
        """Tell what was done since; to be raised within the transaction, which undoes it."""
        # Every noun's routes need this module, and few commands what all nouns' services are wanted for.
        from appliance.configuration import consequences, service  # noqa: PLC0415

        await work.session.flush()
        versions = await service.since(work, "", "", self._before)
        foreseen = await consequences.foresee(work, versions, secret_fields=self._secrets)
        return Rehearsed(Rehearsal(changes=versions, consequences=foreseen))


async def _asked_for(
    request: Request,
    *,
    dry_run: Annotated[
        bool, Query(description="Change nothing; tell what would change, and what that would do to live sessions.")
    ] = False,
) -> None:
    """Note it for the permission, which has the transaction."""
    request.state.dry_run = None
    if dry_run:
        body = await request.body()
        named = json.loads(body) if body else {}
        given = [name for name, value in named.items() if value is not None] if isinstance(named, dict) else []
        request.state.dry_run = DryRun(given)


class RehearsedRoute(NounRoute):
    """A route whose change can be tried first."""

    rehearsing = DryRun

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401  as FastAPI's
        if set(options.get("methods") or ()) != {"GET"}:
            options["dependencies"] = [Depends(_asked_for), *(options.get("dependencies") or ())]
        super().__init__(path, endpoint, **options)


def answer(_request: Request, rehearsed: Exception) -> JSONResponse:
    """Answer with what was found."""
    if not isinstance(rehearsed, Rehearsed):
        raise rehearsed
    return JSONResponse(rehearsed.told.model_dump(mode="json"), media_type=MEDIA_TYPE)
