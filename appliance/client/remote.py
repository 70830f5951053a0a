"""Operations carried out by a gateway somewhere else, over TLS that its own authority vouches for."""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx2
from fastapi.routing import APIRoute
from pydantic import SecretStr

from appliance import __version__
from appliance.api import application, operations
from appliance.api.operations import Bound, Operation
from appliance.configuration.schemas import Rehearsal
from appliance.errors import ApplianceError

_PATIENCE_SECONDS: Final = 30.0
_LONGEST_WAIT_SECONDS: Final = 30.0


class GatewayAway(ApplianceError):
    """The gateway cannot be reached, or is not the one that was meant."""

    kind = "gateway-away"
    status = 503


class Refused(ApplianceError):
    """What the gateway refused, in its own words.

    Attributes:
        kind: Last part of the problem's ``type``.
        status: HTTP status.
    """

    def __init__(self, message: str, *, kind: str, status: int, field: str = "", remedy: str = "") -> None:
        super().__init__(message, field=field, remedy=remedy)
        self.kind = kind
        self.status = status


class Client:
    """A gateway's API: one method for each operation, named as in its OpenAPI document.

    Parameters of the path come first, fields of query and body by their names. Answers are the same
    values that the services give.

    Args:
        url: Where the panel is: ``https://vpn.example.net:8443``.
        token: ``coati_...``, see ``coati token create``.
        ca: File with the authority that vouches for the panel (``coati ca export``); ``None``: the system's.
        transport: Another way to it, for tests.
        sleep: Waits that many seconds.

    Raises:
        ValueError: the address is none, or would send the token in clear.
        OSError: the file cannot be read.
    """

    def __init__(
        self,
        url: str,
        token: SecretStr | str,
        ca: Path | None = None,
        *,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        split = urlsplit(url)
        if split.scheme != "https" or not split.hostname:
            raise ValueError(f"{url!r}: write https://NAME:8443; a token does not travel in clear")
        if split.path.rstrip("/") or split.query:
            raise ValueError(f"{url!r}: write https://NAME:8443, without what comes after")
        self.url: Final = url.rstrip("/")
        self._sleep = sleep
        secret = token.get_secret_value() if isinstance(token, SecretStr) else token
        if not (secret.strip().isascii() and secret.strip().isprintable()):
            raise ValueError("this is no token: it reads coati_... (coati token create)")
        self._http = httpx2.Client(
            base_url=self.url + application.PREFIX,
            headers={"Authorization": f"Bearer {secret.strip()}", "User-Agent": f"coati/{__version__}"},
            verify=_trust(ca),
            timeout=_PATIENCE_SECONDS,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = operations_by_name().get(name)
        if operation is None:
            raise AttributeError(f"the API has no operation {name}")
        return lambda *path, **given: self.call(operation, *path, **given)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *operations_by_name()})

    def call(self, operation: Operation, *path: object, **given: Any) -> Any:  # noqa: ANN401  as the operation answers
        """Have the gateway carry out an operation; who asks too fast waits, half a minute at most.

        Raises:
            GatewayAway: it cannot be reached, or its certificate is not vouched for.
            Refused: it refused.
            pydantic.ValidationError, TypeError: what was given does not fit the operation.
        """
        bound = operation.bind(*path, **given)
        answer = self._ask(operation.method, bound)
        if wait := _wait(answer):
            self._sleep(wait)
            answer = self._ask(operation.method, bound)
        if answer.is_success:
            if bound.trial is not None:
                return Rehearsal.model_validate_json(answer.content, extra="ignore")
            return operation.read(answer.content, answer.headers)
        raise _refusal(answer)

    def _ask(self, method: str, bound: Bound) -> httpx2.Response:
        try:
            return self._http.request(
                method,
                bound.path,
                params=dict(bound.query),
                content=bound.body,
                headers={"Content-Type": bound.media_type} if bound.body is not None else {},
            )
        except httpx2.TransportError as error:
            raise GatewayAway(f"{self.url} does not answer: {error}", remedy=_advice(error)) from None

    def published(self, path: str) -> bytes:
        """Fetch what the gateway publishes to everybody: ``/ca.pem``, ``/crl.pem``.

        Raises:
            GatewayAway, Refused: as ``call`` does.
        """
        try:
            answer = self._http.get(self.url + path)
        except httpx2.TransportError as error:
            raise GatewayAway(f"{self.url} does not answer: {error}", remedy=_advice(error)) from None
        if answer.is_success:
            return answer.content
        raise _refusal(answer)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


@cache
def operations_by_name() -> Mapping[str, Operation]:
    """Give all operations of the API; their names are unique."""
    routes = [route for router in application.ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    named = {route.endpoint.__name__: operations.of(route.endpoint) for route in routes}
    if len(named) != len(routes):
        raise ValueError("two routes have functions of the same name")
    return named


def _wait(answer: httpx2.Response) -> float:
    """Give how long to wait before asking again; 0: asking again is of no use, or too far off."""
    if answer.status_code != httpx2.codes.TOO_MANY_REQUESTS:
        return 0.0
    after = answer.headers.get("Retry-After", "")
    return float(after) if after.isdecimal() and float(after) <= _LONGEST_WAIT_SECONDS else 0.0


def _trust(ca: Path | None) -> ssl.SSLContext:
    if ca is None:
        return ssl.create_default_context()
    pem = ca.read_bytes().decode("ascii", "ignore")  # comments may be in any language
    try:
        # An empty one would mean the system's authorities, whom nobody named.
        return ssl.create_default_context(cadata=pem if pem.strip() else "-")
    except ssl.SSLError:
        raise ValueError(f"{ca} has no certificate in PEM; write it anew: coati ca export") from None


def _advice(error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (
            "give its authority by --ca FILE (on the gateway: coati ca export), and a name that is in its certificate"
        )
    return "look whether coati serve runs there, and whether the address is right"


def _refusal(answer: httpx2.Response) -> Refused:
    try:
        problem = json.loads(answer.content)
        return Refused(
            problem["detail"],
            kind=problem["type"].rpartition(":")[2],
            status=answer.status_code,
            field=problem.get("field", ""),
            remedy=problem.get("remedy", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Refused(
            f"it answered {answer.status_code} {answer.reason_phrase}", kind="http", status=answer.status_code
        )
