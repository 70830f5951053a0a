from datetime import timedelta

import pytest
from sqlalchemy import select, update

from appliance.errors import AlreadyExists, NotFound
from appliance.installation import Actor, Installation
from appliance.models import Scope, Token
from appliance.models.columns import now
from appliance.system import service as system
from appliance.tokens import service
from appliance.tokens.schemas import CreatedToken, NewToken

HERE = Actor("a test")


async def create(installation: Installation, name: str = "ci") -> CreatedToken:
    async with installation.transaction(HERE) as work:
        return await service.create(work, NewToken(name=name, scopes=(Scope.READ,)))


async def test_a_token_is_recognised_by_its_secret_only(installation: Installation) -> None:
    created = await create(installation)
    recognised = await service.recognise(installation, created.token)
    assert recognised is not None
    assert (recognised.name, recognised.scopes) == ("ci", (Scope.READ,))
    assert not hasattr(recognised, "token")
    changed = created.token[:-1] + ("0" if created.token[-1] != "0" else "1")
    other = await create(installation, "other")
    swapped = created.token.replace(created.handle, other.handle)
    for wrong in (changed, swapped, "", "coati_", created.token + "0", created.token.upper()):
        assert await service.recognise(installation, wrong) is None


async def test_the_secret_is_not_in_the_database(installation: Installation) -> None:
    created = await create(installation)
    secret = created.token.split("_")[2]
    async with installation.snapshot() as work:
        row = (await work.session.scalars(select(Token))).one()
        assert secret[:64].encode() not in row.secret_hash
        assert secret[:16] not in (await service.page(work)).model_dump_json()


async def test_a_revoked_token_is_of_no_use_at_once(installation: Installation) -> None:
    created = await create(installation)
    async with installation.transaction(HERE) as work:
        first = await service.revoke(work, "CI")
    async with installation.transaction(HERE) as work:
        assert (await service.revoke(work, "ci")).revoked_at == first.revoked_at
    assert await service.recognise(installation, created.token) is None
    async with installation.transaction(HERE) as work:
        with pytest.raises(NotFound):
            await service.revoke(work, "nobody's")


async def test_an_expired_token_is_of_no_use(installation: Installation) -> None:
    created = await create(installation)
    assert created.expires_at is not None
    assert timedelta(days=364) < created.expires_at - now() <= timedelta(days=365)
    async with installation.transaction(HERE) as work:
        await work.session.execute(update(Token).values(expires_at=now() - timedelta(seconds=1)))
    assert await service.recognise(installation, created.token) is None


async def test_use_is_noted_once_a_minute(installation: Installation) -> None:
    created = await create(installation)
    await service.recognise(installation, created.token)
    first = await service.recognise(installation, created.token)
    assert first is not None
    assert first.used_at is not None
    earlier = now() - timedelta(minutes=2)
    async with installation.transaction(HERE) as work:
        await work.session.execute(update(Token).values(used_at=earlier))
    await service.recognise(installation, created.token)
    async with installation.snapshot() as work:
        used_at = (await work.session.scalars(select(Token.used_at))).one()
    assert used_at is not None
    assert used_at > earlier


async def test_a_name_is_taken_once(installation: Installation) -> None:
    await create(installation)
    with pytest.raises(AlreadyExists):
        await create(installation)


async def test_a_token_that_expires_soon_is_a_problem_that_says_who_would_miss_it(installation: Installation) -> None:
    created = await create(installation)
    await create(installation, "later")
    await service.recognise(installation, created.token, "192.0.2.7")
    async with installation.transaction(HERE) as work:
        assert await service.problems(work) == []
        await work.session.execute(update(Token).where(Token.name == "ci").values(expires_at=now() + timedelta(days=3)))
    async with installation.transaction(HERE) as work:
        (problem,) = await service.problems(work)
        assert "token ci expires on" in problem.what
        assert "from 192.0.2.7" in problem.what
        assert problem in (await system.status(work)).problems
        await service.revoke(work, "ci")
        assert await service.problems(work) == []
