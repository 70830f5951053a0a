"""Sign-in by an identity provider: OpenID Connect Core 1.0, code flow with PKCE (RFC 7636).

Whoever the provider vouches for gets the strongest role that a group of theirs is mapped to, anew with every
sign-in; without such a group nobody gets in. An administrator of ours is never taken over by a name that the
provider gives out: provider and subject are what counts.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from appliance.administrators import ceremonies, repository, signing_in
from appliance.administrators.signing_in import Visitor
from appliance.audit import service as audit
from appliance.errors import Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.models import Administrator, Role
from appliance.models.columns import now
from appliance.names import plain_name
from appliance.runtime_settings import service as runtime_settings
from appliance.runtime_settings.schemas import RuntimeSettings
from ike_engine.secret import Secret

PURPOSE: Final = "oidc"
_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
_PATIENCE_SECONDS: Final = 10.0
_LEEWAY_SECONDS: Final = 60
_SECRET: Final = "oidc_client_secret"  # noqa: S105  the name of a setting


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the browser goes, and what it keeps meanwhile."""

    url: str
    ticket: Secret


def http_client() -> httpx2.AsyncClient:
    """Give what talks to the provider; the system's authorities vouch for it."""
    return httpx2.AsyncClient(timeout=_PATIENCE_SECONDS)


async def begin(installation: Installation, redirect_uri: str, wanted: str, *, anew: bool = False) -> Asked:
    """Send a browser to the provider.

    Args:
        installation: Where.
        redirect_uri: Where the provider sends it back to.
        wanted: The page that it wants after that.
        anew: The provider is to ask who is there, although it may know.

    Raises:
        Unauthenticated: there is no provider, or it does not answer.
    """
    async with installation.snapshot() as work:
        settings = await runtime_settings.current(work.session)
    if not settings.oidc_issuer:
        raise Unauthenticated("no identity provider is configured", remedy="coati settings set oidc_issuer https://...")
    async with http_client() as http:
        provider = await _discover(http, settings.oidc_issuer)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    memory = {"state": state, "nonce": nonce, "verifier": verifier, "redirect_uri": redirect_uri, "wanted": wanted}
    async with installation.transaction(Actor("sign-in")) as work:
        ticket = await ceremonies.begin(work.session, PURPOSE, memory=memory)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": redirect_uri,
        "scope": settings.oidc_scope,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        # With it, the provider has to say when it last asked (``auth_time``, OpenID Connect Core 1.0 section 3.1.2.1).
        "max_age": 0 if anew else int(settings.panel_session.total_seconds()),
    } | ({"prompt": "login"} if anew else {})
    endpoint = str(provider["authorization_endpoint"])
    return Asked(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", ticket)


async def finish(
    installation: Installation, ticket: str, state: str, code: str, visitor: Visitor
) -> tuple[Secret, str]:
    """Let in whom the provider vouches for; gives the cookie, and the page that was wanted.

    Raises:
        Unauthenticated: the answer is not for this browser, is not the provider's, or gives no role here.
    """
    async with installation.transaction(Actor("sign-in", visitor.source)) as work:
        ceremony = await ceremonies.end(work.session, PURPOSE, ticket)
        settings = await runtime_settings.current(work.session)
        client_secret = await runtime_settings.secret(work, _SECRET)
    if ceremony is None or not secrets.compare_digest(str(ceremony.memory["state"]).encode(), state.encode()):
        raise Unauthenticated("that sign-in was begun elsewhere, or took too long", remedy="begin again")
    memory = ceremony.memory
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": memory["redirect_uri"],
        "client_id": settings.oidc_client_id,
        "code_verifier": memory["verifier"],
    }
    async with http_client() as http:
        provider = await _discover(http, settings.oidc_issuer)
        basic = None if client_secret is None else (settings.oidc_client_id, client_secret.get_secret_value())
        answer = await _ask(http, "POST", str(provider["token_endpoint"]), data=form, auth=basic)
        keys = await _ask(http, "GET", str(provider["jwks_uri"]))
    claims = _verified(str(answer.get("id_token", "")), keys, settings, memory["nonce"])
    role = _role(claims, settings)
    async with installation.transaction(Actor("identity provider", visitor.source)) as work:
        administrator = await _known(work, claims, role)
        proven_at = _asked_at(claims)
        cookie = await signing_in.start(work, administrator.id, visitor, "identity provider", proven_at=proven_at)
    return cookie, str(memory["wanted"])


async def _discover(http: httpx2.AsyncClient, issuer: str) -> dict[str, Any]:
    provider = await _ask(http, "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if (
        provider.get("issuer") != issuer
        or not {"authorization_endpoint", "token_endpoint", "jwks_uri"} <= provider.keys()
    ):
        raise Unauthenticated("the identity provider describes itself as another", remedy="look at oidc_issuer")
    return provider


async def _ask(http: httpx2.AsyncClient, method: str, url: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    try:
        answer = await http.request(method, url, **more)
        content = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise Unauthenticated(f"the identity provider does not answer: {error}") from None
    if not answer.is_success or not isinstance(content, dict):
        raise Unauthenticated("the identity provider refused")
    return content


def _verified(token: str, keys: dict[str, Any], settings: RuntimeSettings, nonce: str) -> dict[str, Any]:
    registry = jwt.JWTClaimsRegistry(
        leeway=_LEEWAY_SECONDS,
        iss={"essential": True, "value": settings.oidc_issuer},
        aud={"essential": True, "value": settings.oidc_client_id},
        exp={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=_ALGORITHMS).claims  # type: ignore[arg-type]
        registry.validate(claims)
    except (JoseError, ValueError, KeyError) as error:
        raise Unauthenticated(f"what the identity provider said is not to be believed: {error}") from None
    return dict(claims)


def _role(claims: dict[str, Any], settings: RuntimeSettings) -> Role:
    said = claims.get(settings.oidc_groups_claim, ())
    groups = {said} if isinstance(said, str) else set(map(str, said)) if isinstance(said, list) else set()
    roles = [role for role in Role if any(mapped is role and group in groups for group, mapped in settings.roles)]
    if not roles:
        raise Unauthenticated("you have no role here", remedy="an owner maps groups to roles: setting oidc_roles")
    return roles[0]


def _asked_at(claims: dict[str, Any]) -> datetime:
    """Give when somebody last showed the provider who is there; of one that does not tell, now is believed."""
    told, at = claims.get("auth_time"), now()
    if not isinstance(told, int | float) or not 0 <= told < at.timestamp():
        return at
    return datetime.fromtimestamp(told, UTC)


async def _known(work: Transaction, claims: dict[str, Any], role: Role) -> Administrator:
    """Give the administrator of this subject, made at the first sign-in, with the role of today."""
    subject = f"{claims['iss']} {claims['sub']}"
    administrator = await repository.find_subject(work.session, subject)
    if administrator is None:
        name = _name(claims)
        if await repository.find(work.session, name) is not None:
            raise Unauthenticated(f"there is an administrator {name} of ours already", remedy="an owner can remove it")
        administrator = Administrator(name=name, role=role, subject=subject)
        work.session.add(administrator)
        await work.session.flush()
        audit.record(work, "administrator.add", name)
    elif not administrator.enabled:
        raise Unauthenticated("you are disabled here")
    elif administrator.role is not role:
        administrator.role = role
        audit.record(work, "administrator.role", f"{administrator.name}: {role.value}")
    return administrator


def _name(claims: dict[str, Any]) -> str:
    said = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
    return plain_name(re.sub(r"[^a-z0-9._-]+", "-", said.lower()).strip("-._")[:64] or "somebody")
