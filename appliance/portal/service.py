"""What a user who is signed in on the portal may see and do: password, second factor, files, one's own sessions.

Users of PAM and RADIUS change the password where it is kept.
"""

from typing import Final

from pydantic import SecretStr

from appliance import passwords
from appliance.client_profiles import service as client_profiles
from appliance.client_profiles.schemas import Wanted
from appliance.client_profiles.service import Download
from appliance.errors import Invalid, NotFound
from appliance.installation import Actor, Installation, Transaction
from appliance.lockouts import service as lockouts
from appliance.lockouts.rules import Door
from appliance.models.columns import now
from appliance.policy import service as policy
from appliance.policy.attributes import SecondFactor
from appliance.portal import signing_in
from appliance.portal.schemas import Home, ProfileChoices, Visitor
from appliance.profiles import service as profiles
from appliance.profiles.schemas import ProfileFilter
from appliance.schema import Paging
from appliance.second_factors import repository as second_factors_repository
from appliance.second_factors import service as second_factors
from appliance.second_factors.schemas import Enrolment, RecoveryCodes, SecondFactorView
from appliance.sessions import service as sessions
from appliance.sessions.schemas import SessionFilter, Which
from appliance.users import repository as users_repository
from appliance.users import service as users
from appliance.users.schemas import UserChange

_SHOWN: Final = Paging(limit=20)


async def home(work: Transaction, who: Visitor) -> Home:
    """Give what the user's own page shows.

    Raises:
        NotFound: the user is gone.
    """
    user = await users.show(work, who.user) if who.local else None
    factor = await second_factors_repository.find(work.session, who.realm, who.user.lower())
    enabled = (await profiles.page(work, ProfileFilter(enabled=True))).items
    own = SessionFilter(user=who.user, realm=who.realm)
    return Home(
        login=who.login,
        full_name=user.full_name if user is not None else "",
        realm=who.realm,
        password_changed_at=user.password_changed_at if user is not None else None,
        must_change_password=who.must_change_password,
        second_factor=await second_factors.show(work, who.realm, who.user) if factor is not None else None,
        second_factor_required=await _must_have_second_factor(work, who),
        live=(await sessions.page(work, own, _SHOWN)).items,
        ended=(await sessions.page(work, own.model_copy(update={"which": Which.ENDED}), _SHOWN)).items,
        profiles=[
            ProfileChoices(profile=each.name, choices=await client_profiles.choices(work, who.login, each.name))
            for each in enabled
            if not each.realms or who.realm in each.realms
        ],
    )


async def _must_have_second_factor(work: Transaction, who: Visitor) -> bool:
    """Tell whether policy says so; of what a realm elsewhere will say at a login, nothing is known here."""
    if not who.local:
        return (await policy.show_base(work)).policy.second_factor is SecondFactor.REQUIRED
    counts = (await policy.effective(work, who.user)).values
    return any((each.attribute, each.value) == ("second_factor", SecondFactor.REQUIRED) for each in counts)


async def change_password(
    installation: Installation, who: Visitor, cookie: str, present: SecretStr, new: SecretStr, source: str
) -> None:
    """Set a new password, the present one being right; every other sign-in of the user ends.

    Raises:
        NotFound: it is not kept here.
        TooManyAttempts: the account or the address has to wait.
        Invalid: the present one is wrong, or the new one too weak.
    """
    if not who.local:
        raise NotFound(f"the password is not kept here but by {who.realm}", remedy="change it where it is kept")
    async with installation.snapshot() as work:
        await signing_in.refuse_if_waiting(work, who.user, source)
        user = await users_repository.find(work.session, who.user)
    hashed = user.password_hash if user is not None else None
    good = await passwords.verify(hashed, present.get_secret_value())
    async with installation.transaction(actor(who, source)) as work:
        await signing_in.refuse_if_waiting(work, who.user, source)  # others may have failed while this one was judged
        if user is None or not good:
            await lockouts.failed(work.session, Door.VPN, who.user, source, now())
    if user is None or not good:
        raise Invalid("this is not the present password", field="present")
    if present.get_secret_value() == new.get_secret_value():
        raise Invalid("this is the present password", field="new")
    async with installation.transaction(actor(who, source)) as work:
        try:
            await users.change(work, who.user, UserChange(password=new), by_cookie=signing_in.digest(cookie))
        except Invalid as error:
            raise Invalid(str(error), field="new", remedy="several words that nobody would guess are good") from None


async def enrol(work: Transaction, who: Visitor) -> Enrolment:
    """Make a seed for the user's app; it counts once a code of it was confirmed.

    Raises:
        InUse: there is a second factor that counts.
    """
    return await second_factors.enrol(work, who.realm, who.user)


async def confirm(work: Transaction, who: Visitor, cookie: str, code: str) -> RecoveryCodes:
    """Have the second factor count; gives the recovery codes. Every other sign-in of the user ends.

    Raises:
        Invalid: the code is wrong.
        InUse, NotFound: there is nothing to confirm.
    """
    return await second_factors.confirm(work, who.realm, who.user, code, by_cookie=signing_in.digest(cookie))


async def enrol_another(installation: Installation, who: Visitor, code: str, source: str) -> Enrolment:
    """Make a seed for another telephone, which takes the place of the present one once a code of it was confirmed.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        Invalid: the code is none of the present one.
    """
    return await signing_in.with_code(
        installation, who, code, source, lambda work: second_factors.enrol(work, who.realm, who.user, another=True)
    )


async def renew_recovery_codes(installation: Installation, who: Visitor, code: str, source: str) -> RecoveryCodes:
    """Make new recovery codes; those before count no more. A browser that was left alone must not give them away.

    Raises:
        TooManyAttempts: the account or the address has to wait.
        Invalid: the code is wrong.
        NotFound: there is no second factor that counts.
    """
    return await signing_in.with_code(
        installation, who, code, source, lambda work: second_factors.renew_recovery_codes(work, who.realm, who.user)
    )


async def second_factor(work: Transaction, who: Visitor) -> SecondFactorView | None:
    """Give the user's second factor, if there is one."""
    row = await second_factors_repository.find(work.session, who.realm, who.user.lower())
    return None if row is None else await second_factors.show(work, who.realm, who.user)


async def download(work: Transaction, who: Visitor, wanted: Wanted) -> Download:
    """Give the file for one of the user's clients, with all that it needs: a user may have what lets the user in.

    Raises:
        Invalid: the client cannot come in by this profile.
        NotFound: there is no such profile, or it is another user's.
    """
    if wanted.user != who.login:
        raise NotFound("there is no such file")
    return await client_profiles.download(work, wanted, with_secrets=True)


async def disconnect(work: Transaction, who: Visitor, session_id: int) -> None:
    """End one of the user's own sessions.

    Raises:
        NotFound: there is no such session, or it is another user's.
    """
    session = await sessions.show(work, session_id)
    if (session.user, session.realm) != (who.user, who.realm):
        raise NotFound(f"there is no session {session_id}")
    await sessions.disconnect(work, session_id, "disconnected by the user on the portal")


def actor(who: Visitor, source: str) -> Actor:
    """Give on whose behalf a signed-in user does something."""
    return signing_in.acting(who.login, source)
