"""Showing anew who is there, by who is signed in already: before it is decided whom to trust.

A browser that was left alone, or a stolen cookie, must not be enough to make another owner, a token or a copy of
everything.
"""

from typing import Final

from pydantic import SecretStr

from appliance.administrators import codes, repository, service, signing_in
from appliance.administrators.signing_in import Visitor
from appliance.audit import service as audit
from appliance.errors import Unauthenticated
from appliance.installation import Actor, Installation
from appliance.models import SignIn
from appliance.models.columns import now

CODE: Final = "code"
PASSWORD: Final = "password"  # noqa: S105  the name of a way
ANEW: Final = ""
"""There is neither: sign in anew, by passkey or identity provider."""


async def way(installation: Installation, name: str) -> str:
    """Give what this administrator is asked for: a code where codes are on, else the password.

    Raises:
        NotFound: there is no such administrator.
    """
    async with installation.snapshot() as work:
        shown = await service.show(work, name)
    return CODE if shown.has_codes else PASSWORD if shown.has_password else ANEW


async def show(installation: Installation, name: str, cookie: str, proof: SecretStr, visitor: Visitor) -> None:
    """Take the proof; from now on it is known for a while who sits there.

    Raises:
        TooManyAttempts: the account or the source has to wait.
        Unauthenticated: it is wrong, or there is no other way than to sign in anew.
    """
    asked = await way(installation, name)
    if asked == ANEW:
        raise Unauthenticated("you have neither password nor codes", remedy="sign in anew")
    try:
        if asked == CODE:
            await codes.spend(installation, name, proof.get_secret_value(), visitor)
        else:
            await signing_in.prove(installation, name, proof, visitor)
    except Unauthenticated as failure:
        raise Unauthenticated(str(failure), field="proof", remedy=failure.remedy) from None
    async with installation.transaction(Actor(f"administrator {name}", visitor.source)) as work:
        found = await repository.find_sign_in(work.session, repository.digest(cookie))
        if found is None:
            raise Unauthenticated("sign in first")
        (await work.session.get_one(SignIn, found[0].id)).proven_at = now()
        audit.record(work, "administrator.prove", name)
