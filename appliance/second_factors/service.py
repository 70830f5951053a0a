"""The rules of second factors: enrolled, confirmed by a first code, used once a code, reset."""

import io
from typing import Final

import segno

from appliance.audit import service as audit
from appliance.auth import one_time_codes
from appliance.errors import InUse, Invalid, NotFound
from appliance.installation import Transaction
from appliance.master_key import Sealed
from appliance.models import SecondFactor
from appliance.models.columns import now
from appliance.portal import repository as portal
from appliance.schema import EVERYTHING, Page, Paging
from appliance.second_factors import repository
from appliance.second_factors.schemas import (
    Enrolment,
    RecoveryCodes,
    SecondFactorFilter,
    SecondFactorView,
)

SEED: Final = "second_factors.seed"
"""What seeds are sealed for."""

_QR_BORDER: Final = 4


async def page(
    work: Transaction, wanted: SecondFactorFilter = SecondFactorFilter(), paging: Paging = EVERYTHING
) -> Page[SecondFactorView]:
    """List second factors by user."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[_view(row) for row in rows], total=total)


async def show(work: Transaction, realm: str, user: str) -> SecondFactorView:
    """Show the second factor of a user.

    Raises:
        NotFound: there is none.
    """
    return _view(await _find(work, realm, user))


async def enrol(work: Transaction, realm: str, user: str, *, another: bool = False) -> Enrolment:
    """Make a seed for a user's app. It counts once a code of it was confirmed; until then it may be made anew.

    Args:
        work: The transaction.
        realm: Which knows the user.
        user: Name there.
        another: For another telephone, in place of the one that counts until then.

    Raises:
        InUse: the user has one that counts.
    """
    realm, user = _canonical(realm, user)
    factor = await repository.find(work.session, realm, user, to_change=True)
    seed = one_time_codes.new_seed()
    sealed = work.installation.master_key.seal(seed.encode(), SEED)
    if factor is not None and factor.confirmed_at is not None:
        if not another:
            raise InUse(f"{user} of realm {realm} has a second factor already", remedy="reset it first")
        factor.next_seed = sealed
    else:
        if factor is not None:
            await work.session.delete(factor)
            await work.session.flush()
        work.session.add(factor := SecondFactor(realm=realm, user=user, seed=sealed))
    await work.session.flush()
    audit.record(work, "second-factor.enrol", f"{user} ({realm})", after=_view(factor))
    uri = one_time_codes.uri(seed, user, work.installation.settings.public_name)
    return Enrolment(realm=realm, user=user, seed=seed, uri=uri, qr_svg=_svg(uri))


async def confirm(work: Transaction, realm: str, user: str, code: str, *, by_cookie: bytes = b"") -> RecoveryCodes:
    """Have the second factor count, its first code being right; gives the recovery codes.

    Sign-ins on the portal from before end: they were made with the password alone.

    Args:
        work: The transaction.
        realm: Which knows the user.
        user: Name there.
        code: What the app shows.
        by_cookie: Hash of the portal's cookie of the user who does it, who stays signed in there.

    Raises:
        NotFound: none was enrolled.
        InUse: it counts already.
        Invalid: the code is wrong.
    """
    factor = await _find(work, realm, user, to_change=True)
    if factor.confirmed_at is not None and factor.next_seed is None:
        raise InUse(f"the second factor of {factor.user} counts already")
    if not (spend(work, factor, code) if factor.next_seed is None else _move(work, factor, factor.next_seed, code)):
        raise Invalid(
            "this is not the code of now",
            field="code",
            remedy="wait for the next one; if it is refused as well, set the clock of the telephone, or enrol again",
        )
    factor.confirmed_at = now()
    await portal.remove_of_realm(work.session, factor.realm, factor.user, but=by_cookie)
    codes = _give_recovery_codes(factor)
    audit.record(work, "second-factor.confirm", f"{factor.user} ({factor.realm})", after=_view(factor))
    return codes


async def renew_recovery_codes(work: Transaction, realm: str, user: str) -> RecoveryCodes:
    """Make new recovery codes; those before count no more.

    Raises:
        NotFound: there is no second factor that counts.
    """
    factor = await _find(work, realm, user, to_change=True)
    if factor.confirmed_at is None:
        raise NotFound(f"the second factor of {factor.user} was not confirmed", remedy="confirm it by a first code")
    before = _view(factor)
    codes = _give_recovery_codes(factor)
    audit.record(
        work, "second-factor.recovery-codes", f"{factor.user} ({factor.realm})", before=before, after=_view(factor)
    )
    return codes


async def reset(work: Transaction, realm: str, user: str) -> None:
    """Take the second factor away: the telephone is lost, and the recovery codes as well.

    Raises:
        NotFound: there is none.
    """
    factor = await _find(work, realm, user, to_change=True)
    before = _view(factor)
    work.expect(before)
    await work.session.delete(factor)
    audit.record(work, "second-factor.reset", f"{factor.user} ({factor.realm})", before=before)


def spend(work: Transaction, factor: SecondFactor, code: str) -> bool:
    """Take a code or a recovery code, which counts this once; ``False``: it is wrong, or was taken before.

    Args:
        work: A transaction that holds the row (``repository.find`` with ``to_change``).
        factor: The row.
        code: What the user typed.
    """
    seed = work.installation.master_key.open(factor.seed, SEED).decode()
    at = now()
    step = one_time_codes.matching_step(seed, code, at, factor.last_step)
    if step is not None:
        factor.last_step = step
    elif one_time_codes.is_recovery_code(code) and one_time_codes.recovery_digest(code) in factor.recovery_codes:
        spent = one_time_codes.recovery_digest(code)
        factor.recovery_codes = tuple(each for each in factor.recovery_codes if each != spent)
    else:
        return False
    factor.used_at = at
    return True


def _move(work: Transaction, factor: SecondFactor, seed: Sealed, code: str) -> bool:
    """Have the other telephone count; ``False``: the code is not one of it."""
    at = now()
    step = one_time_codes.matching_step(work.installation.master_key.open(seed, SEED).decode(), code, at, last_step=0)
    if step is None:
        return False
    factor.seed, factor.next_seed, factor.last_step, factor.used_at = seed, None, step, at
    return True


def _give_recovery_codes(factor: SecondFactor) -> RecoveryCodes:
    codes = one_time_codes.new_recovery_codes()
    factor.recovery_codes = tuple(map(one_time_codes.recovery_digest, codes))
    return RecoveryCodes(recovery_codes=codes)


def _svg(text: str) -> str:
    image = io.BytesIO()
    # Without inline style: the panel's content security policy allows none. Without a size: the page says how large.
    colours = {"dark": "#000", "light": "#fff"}
    segno.make_qr(text).save(image, kind="svg", border=_QR_BORDER, xmldecl=False, omitsize=True, **colours)
    return image.getvalue().decode()


def _canonical(realm: str, user: str) -> tuple[str, str]:
    return realm.strip().lower(), user.strip().lower()


async def _find(work: Transaction, realm: str, user: str, *, to_change: bool = False) -> SecondFactor:
    realm, user = _canonical(realm, user)
    factor = await repository.find(work.session, realm, user, to_change=to_change)
    if factor is None:
        raise NotFound(f"{user} of realm {realm} has no second factor", remedy="enrol one first")
    return factor


def _view(factor: SecondFactor) -> SecondFactorView:
    return SecondFactorView(
        realm=factor.realm,
        user=factor.user,
        created_at=factor.created_at,
        confirmed_at=factor.confirmed_at,
        used_at=factor.used_at,
        recovery_codes_left=len(factor.recovery_codes),
    )
