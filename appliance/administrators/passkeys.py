"""Passkeys of administrators (WebAuthn level 3): enrolled when signed in, then enough to sign in by themselves.

A passkey is bound to the name in the browser's address bar, so it signs in to nobody who poses as us; and
it asks its holder for a fingerprint or a PIN (user verification), so it is two factors in one.
"""

from dataclasses import dataclass
from typing import Any, Final

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from appliance.administrators import ceremonies, repository, service, signing_in
from appliance.administrators.schemas import PasskeyView
from appliance.administrators.signing_in import Visitor
from appliance.audit import service as audit
from appliance.errors import InUse, Invalid, NotFound, Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.models import Administrator, Passkey
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging
from ike_engine.secret import Secret

ENROL: Final = "enrol-passkey"
SIGN_IN: Final = "passkey"
_NAME_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class Site:
    """Where the browser thinks it is.

    Attributes:
        host: Name without port: what passkeys are bound to.
        origin: ``https://name:port``.
    """

    host: str
    origin: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the browser is to ask its authenticator.

    Attributes:
        options: JSON for ``navigator.credentials``.
        ticket: What it brings back along with the answer.
    """

    options: str
    ticket: Secret


async def page(work: Transaction, name: str, paging: Paging = EVERYTHING) -> Page[PasskeyView]:
    """List an administrator's passkeys, the oldest first.

    Raises:
        NotFound: there is no such administrator.
    """
    rows = await repository.passkeys(work.session, (await service.find(work, name)).id)
    return Page.cut([PasskeyView.model_validate(row) for row in rows], paging)


async def ask_to_enrol(work: Transaction, name: str, site: Site) -> Asked:
    """Begin to make a passkey for an administrator."""
    administrator = await service.find(work, name)
    present = await repository.passkeys(work.session, administrator.id)
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name="Coati",
        user_id=administrator.handle,
        user_name=administrator.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=row.credential) for row in present],
    )
    memory = {"challenge": bytes_to_base64url(options.challenge)}
    ticket = await ceremonies.begin(work.session, ENROL, administrator.id, memory)
    return Asked(webauthn.options_to_json(options), ticket)


async def enrol(
    work: Transaction, name: str, ticket: str, credential: dict[str, Any], site: Site, label: str
) -> PasskeyView:
    """Keep a new passkey.

    Raises:
        Invalid: it is none, it is for another site, or too much time has passed.
    """
    administrator = await service.find(work, name)
    ceremony = await ceremonies.end(work.session, ENROL, ticket)
    if ceremony is None or ceremony.administrator_id != administrator.id:
        raise Invalid("that took too long", remedy="begin again")
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(ceremony.memory["challenge"]),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except WebAuthnException as error:
        raise Invalid(f"the passkey was not accepted: {error}", remedy="begin again") from None
    row = Passkey(
        administrator_id=administrator.id,
        name=label.strip()[:_NAME_CHARACTERS] or "passkey",
        credential=verified.credential_id,
        public_key=verified.credential_public_key,
        uses=verified.sign_count,
    )
    work.session.add(row)
    await work.session.flush()
    view = PasskeyView.model_validate(row)
    audit.record(work, "administrator.add-passkey", administrator.name, after=view)
    return view


async def remove(work: Transaction, name: str, passkey_id: int) -> None:
    """Have a passkey let nobody in any more.

    Raises:
        NotFound: the administrator has no such passkey.
        InUse: there is no other way in.
    """
    administrator = await service.find(work, name)
    row = await work.session.get(Passkey, passkey_id)
    if row is None or row.administrator_id != administrator.id:
        raise NotFound(f"{name} has no passkey {passkey_id}")
    shown = await service.show(work, name)
    if shown.passkeys == 1 and not (shown.has_password or shown.identity_provider):
        raise InUse(f"{name} has no other way in", remedy="add another passkey first, or have an owner set a password")
    before = PasskeyView.model_validate(row)
    work.expect(before)
    await work.session.delete(row)
    audit.record(work, "administrator.remove-passkey", administrator.name, before=before)


async def ask_to_sign_in(installation: Installation, site: Site) -> Asked:
    """Begin to sign in by a passkey: whose, the passkey tells."""
    options = webauthn.generate_authentication_options(
        rp_id=site.host, user_verification=UserVerificationRequirement.REQUIRED
    )
    async with installation.transaction(Actor("sign-in")) as work:
        memory = {"challenge": bytes_to_base64url(options.challenge)}
        ticket = await ceremonies.begin(work.session, SIGN_IN, memory=memory)
    return Asked(webauthn.options_to_json(options), ticket)


async def sign_in(
    installation: Installation, ticket: str, credential: dict[str, Any], site: Site, visitor: Visitor
) -> Secret:
    """Sign in by a passkey; gives the cookie.

    Raises:
        Unauthenticated: nobody's passkey, one that was copied, for another site, or too much time has passed.
    """
    async with installation.transaction(Actor("sign-in", visitor.source)) as work:
        ceremony = await ceremonies.end(work.session, SIGN_IN, ticket)
        row = await repository.find_passkey(work.session, _credential_id(credential))
    if ceremony is None or row is None:
        raise Unauthenticated("this passkey is not known here", remedy="sign in by password, and enrol it")
    try:
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(ceremony.memory["challenge"]),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.uses,
            require_user_verification=True,
        )
    except WebAuthnException:
        raise Unauthenticated("the passkey was not accepted", remedy="try again, or sign in by password") from None
    async with installation.snapshot() as work:
        administrator = await work.session.get_one(Administrator, row.administrator_id)
    if not administrator.enabled:
        raise Unauthenticated("the passkey was not accepted")
    async with installation.transaction(Actor(f"administrator {administrator.name}", visitor.source)) as work:
        used = await work.session.get_one(Passkey, row.id)
        used.uses, used.used_at = verified.new_sign_count, now()
        return await signing_in.start(work, administrator.id, visitor, "passkey")


def _credential_id(credential: dict[str, Any]) -> bytes:
    try:
        return base64url_to_bytes(str(credential["rawId"]))
    except (KeyError, ValueError):
        return b""
