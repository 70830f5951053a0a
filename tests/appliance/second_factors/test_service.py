"""A second factor from its enrolment to its reset."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from appliance.errors import InUse, Invalid, NotFound
from appliance.models import AuditEntry, SecondFactor
from appliance.models.columns import now
from appliance.realms import service as realms
from appliance.second_factors import repository, service
from appliance.second_factors.schemas import SecondFactorFilter
from appliance.users import service as users
from appliance.users.schemas import NewUser

if TYPE_CHECKING:
    from appliance.installation import Transaction


def code(seed: str, steps: int = 0) -> str:
    return pyotp.TOTP(seed).at(now(), counter_offset=steps)


async def enrolled(work: Transaction, user: str = "alice") -> tuple[str, list[str]]:
    enrolment = await service.enrol(work, "local", user)
    recovery = await service.confirm(work, "local", user, code(enrolment.seed))
    return enrolment.seed, recovery.recovery_codes


async def spend(work: Transaction, typed: str) -> bool:
    factor = await repository.find(work.session, "local", "alice", to_change=True)
    assert factor is not None
    return service.spend(work, factor, typed)


async def test_it_counts_once_its_first_code_was_right(work: Transaction) -> None:
    enrolment = await service.enrol(work, "local", "Alice")
    assert pyotp.parse_uri(enrolment.uri).secret == enrolment.seed
    assert ET.fromstring(enrolment.qr_svg).tag.endswith("svg")  # noqa: S314  it is ours
    assert "style=" not in enrolment.qr_svg
    assert (await service.show(work, "local", "alice")).confirmed_at is None
    with pytest.raises(Invalid, match="not the code of now"):
        await service.confirm(work, "local", "alice", "000000")
    recovery = await service.confirm(work, "local", "alice", code(enrolment.seed))
    assert len(recovery.recovery_codes) == 10
    shown = await service.show(work, "local", "ALICE")
    assert shown.confirmed_at is not None
    assert shown.recovery_codes_left == 10
    with pytest.raises(InUse, match="counts already"):
        await service.confirm(work, "local", "alice", code(enrolment.seed, 1))


async def test_it_can_be_made_anew_as_long_as_it_does_not_count(work: Transaction) -> None:
    first = await service.enrol(work, "local", "alice")
    second = await service.enrol(work, "local", "alice")
    assert first.seed != second.seed
    with pytest.raises(Invalid):
        await service.confirm(work, "local", "alice", code(first.seed))
    await service.confirm(work, "local", "alice", code(second.seed))
    with pytest.raises(InUse, match="has a second factor already"):
        await service.enrol(work, "local", "alice")


async def test_every_code_counts_once(work: Transaction) -> None:
    seed = (await service.enrol(work, "local", "alice")).seed
    first = code(seed)
    recovery = (await service.confirm(work, "local", "alice", first)).recovery_codes
    assert not await spend(work, first)
    second = code(seed, 1)
    assert await spend(work, second)
    assert not await spend(work, second)
    assert await spend(work, recovery[0].upper())
    assert not await spend(work, recovery[0])
    assert (await service.show(work, "local", "alice")).recovery_codes_left == 9


async def test_new_recovery_codes_end_the_old_ones(work: Transaction) -> None:
    _, old = await enrolled(work)
    new = (await service.renew_recovery_codes(work, "local", "alice")).recovery_codes
    assert not await spend(work, old[0])
    assert await spend(work, new[0])


async def test_a_reset_lets_the_user_enrol_anew(work: Transaction) -> None:
    await enrolled(work)
    await service.reset(work, "local", "alice")
    await work.session.flush()
    with pytest.raises(NotFound, match="has no second factor"):
        await service.show(work, "local", "alice")
    await service.enrol(work, "local", "alice")


async def test_realms_have_users_of_their_own(work: Transaction) -> None:
    await enrolled(work)
    await service.enrol(work, "staff", "alice")
    assert [(each.realm, each.user) for each in (await service.page(work)).items] == [
        ("local", "alice"),
        ("staff", "alice"),
    ]
    assert [each.realm for each in (await service.page(work, SecondFactorFilter(confirmed=True))).items] == ["local"]
    assert (await service.page(work, SecondFactorFilter(realm="staff"))).total == 1


async def test_the_database_holds_neither_seeds_nor_recovery_codes(work: Transaction) -> None:
    seed, recovery = await enrolled(work)
    await work.session.flush()
    rows = (await work.session.execute(text("SELECT * FROM second_factors"))).all()
    audited = (await work.session.scalars(select(AuditEntry))).all()
    kept = str(rows) + str([vars(entry) for entry in audited])
    assert seed not in kept
    assert not [each for each in recovery if each in kept or each.replace("-", "") in kept]
    [factor] = (await work.session.scalars(select(SecondFactor))).all()
    assert seed not in repr(vars(factor))
    assert {entry.deed for entry in audited} == {"second-factor.enrol", "second-factor.confirm"}


async def test_a_local_user_takes_it_along_and_others_keep_theirs(work: Transaction) -> None:
    await realms.ensure_local(work)
    await users.add(work, NewUser(name="alice", password=SecretStr("correct horse battery")))
    await enrolled(work)
    await service.enrol(work, "staff", "alice")
    await users.remove(work, "alice")
    assert [each.realm for each in (await service.page(work)).items] == ["staff"]
