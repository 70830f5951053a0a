"""One-time codes of administrators: the users' second factors, under a realm's name that no realm can have."""

from typing import Final

from appliance.administrators import ceremonies, repository, service, signing_in
from appliance.administrators.signing_in import Visitor
from appliance.errors import Unauthenticated
from appliance.installation import Actor, Installation, Transaction
from appliance.lockouts import service as lockouts
from appliance.lockouts.rules import Door
from appliance.models import Administrator
from appliance.models.columns import now
from appliance.second_factors import repository as factors
from appliance.second_factors import service as second_factors
from appliance.second_factors.schemas import Enrolment, RecoveryCodes
from ike_engine.secret import Secret

PURPOSE: Final = "code"


async def enrol(work: Transaction, name: str) -> Enrolment:
    """Make a seed for an administrator's app. It counts once a code of it was confirmed.

    Raises:
        NotFound: there is no such administrator.
        InUse: there is one that counts.
    """
    return await second_factors.enrol(work, repository.PANEL, (await service.find(work, name)).name)


async def confirm(work: Transaction, name: str, code: str) -> RecoveryCodes:
    """Have codes be asked for from now on, the first one being right; gives the recovery codes.

    Raises:
        NotFound, InUse, Invalid: as for users.
    """
    return await second_factors.confirm(work, repository.PANEL, name, code)


async def reset(work: Transaction, name: str) -> None:
    """Take the codes away, and sign the administrator out everywhere.

    Raises:
        NotFound: there are none.
    """
    administrator = await service.find(work, name)
    await second_factors.reset(work, repository.PANEL, administrator.name)
    await repository.remove_sign_ins_of(work.session, administrator.id)


async def spend(installation: Installation, name: str, code: str, visitor: Visitor) -> None:
    """Take a code of who is signed in already.

    Raises:
        TooManyAttempts: the source or the account has to wait.
        Unauthenticated: the code is wrong or was used before.
    """
    async with installation.transaction(Actor(f"administrator {name}", visitor.source)) as work:
        await signing_in.refuse_if_waiting(work, name, visitor)
        factor = await factors.find(work.session, repository.PANEL, name, to_change=True)
        if factor is not None and factor.confirmed_at is not None and second_factors.spend(work, factor, code):
            return
        await lockouts.failed(work.session, Door.PANEL, name, visitor.source, now())
    raise Unauthenticated("this is not the code of now", field="code")


async def sign_in(installation: Installation, ticket: str, code: str, visitor: Visitor) -> Secret:
    """Finish a sign-in whose password was right; gives the cookie.

    Raises:
        TooManyAttempts: the source or the account has to wait.
        Unauthenticated: the code is wrong or was used before, or too much time has passed since the password.
    """
    async with installation.snapshot() as work:
        ceremony = await ceremonies.find(work.session, PURPOSE, ticket)
        if ceremony is None:
            raise Unauthenticated("that took too long", remedy="sign in again")
        administrator = await work.session.get_one(Administrator, ceremony.administrator_id)
    # A wrong code has to be on record although the request fails: so the transaction ends well in either case.
    async with installation.transaction(Actor(f"administrator {administrator.name}", visitor.source)) as work:
        # Here and not before: of many that come at once, the first few are judged.
        await signing_in.refuse_if_waiting(work, administrator.name, visitor)
        factor = await factors.find(work.session, repository.PANEL, administrator.name, to_change=True)
        good = factor is not None and factor.confirmed_at is not None and second_factors.spend(work, factor, code)
        if good and administrator.enabled and await ceremonies.end(work.session, PURPOSE, ticket):
            return await signing_in.start(work, administrator.id, visitor, "password and code")
        await lockouts.failed(work.session, Door.PANEL, administrator.name, visitor.source, now())
    raise Unauthenticated("this is not the code of now", field="code")
