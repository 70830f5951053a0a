"""The engine asks, the appliance answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from appliance import models
from appliance.auth.chain import Chain
from appliance.auth.throttle import Throttle
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Claim, Rejected, Verdict
from appliance.certificates.outside import RevocationService
from appliance.gateway.admission.leases import Leases
from appliance.gateway.admission.networks_behind import NetworksBehind
from appliance.gateway.admission.reachability import Reachability
from appliance.gateway.admission.shared_pools import SharedPools
from appliance.gateway.admission.simultaneous_sessions import SimultaneousSessions
from appliance.gateway.admission.terms import Admission
from appliance.gateway.admission.transfers import Transfers
from appliance.gateway.answers import Answers
from appliance.gateway.authentication.client_certificates import ClientCertificates
from appliance.gateway.compile import Compiled, compile_rows, read
from appliance.installation import Actor, Installation
from appliance.models.columns import now as utc_now
from appliance.pools import service as pools
from appliance.pools.schemas import PoolChange
from ike_engine import actions
from ike_engine.policy import Authentication, Policy
from ike_engine.secret import Secret
from tests.appliance.gateway.recording import PATH, lease_rows

if TYPE_CHECKING:
    from pathlib import Path as FilePath

CLAIM = Claim(realm="scripted")


@pytest.fixture
def empty_database_url(tmp_path: FilePath) -> SecretStr:
    """One kind will do: rows are rows."""
    return SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'coati.db'}")


class Scripted:
    name = "scripted"

    def __init__(self) -> None:
        self.verdict: Verdict = Accepted("alice", CLAIM)
        self.asked: list[Attempt] = []

    async def authenticate(self, attempt: Attempt) -> Verdict:
        self.asked.append(attempt)
        return self.verdict


@dataclass
class Asked:
    answers: Answers
    admission: Admission
    realm: Scripted
    leases: Leases
    installation: Installation

    async def configure(self, peer_id: int, user: str = "alice", profile: str = "default") -> object:
        question = actions.Configure(
            peer_id=peer_id, peer=peer(profile), user=user, claim=CLAIM, hostname="laptop", application_version=""
        )
        return await self.answers.answer(question)

    async def address(self, peer_id: int, user: str = "alice") -> IPv4Address:
        answer = await self.configure(peer_id, user)
        assert isinstance(answer, actions.Configuration)
        return answer.address

    async def reload(self) -> Compiled:
        async with self.installation.database.snapshot() as session:
            compiled = compile_rows(await read(session), self.installation.master_key, force_encapsulation=False)
        self.leases.load(await lease_rows(self.installation.database))
        self.answers.reconfigure(compiled)
        self.leases.reserve(compiled.reserved)
        self.admission.reconfigure(compiled.policies, {name: key for key, name in compiled.pool_names.items()})
        return compiled


def peer(profile: str = "default") -> actions.PeerDescription:
    return actions.PeerDescription(
        isakmp_sa=1, profile=profile, authentication=Authentication.HYBRID_RSA, path=PATH, identity="alice"
    )


def authenticate(**more: object) -> actions.Authenticate:
    values = {"peer": peer(), "username": "Alice", "password": Secret(b"s3cret")} | more
    return actions.Authenticate(**values)  # type: ignore[arg-type]


@pytest.fixture
async def asked(installation: Installation) -> Asked:
    async with installation.transaction(Actor("test")) as work:
        await pools.change(work, "default", PoolChange(networks=(IPv4Network("10.9.0.0/30"),)))
    realm, leases = Scripted(), Leases()
    transfers = Transfers(utc_now, postgresql_dialect=False)
    admission = Admission(
        "gw1",
        leases,
        SharedPools("gw1", leases, None),
        Reachability(None),
        NetworksBehind(None),
        SimultaneousSessions(None, disconnect=lambda *_: None),
        transfers,
        disconnect=lambda *_: None,
    )
    answers = Answers(Chain([realm], Throttle()), admission, ClientCertificates(RevocationService()))
    asked = Asked(answers, admission, realm, leases, installation)
    await asked.reload()
    return asked


async def test_a_login_reaches_the_realm_with_all_that_is_known(asked: Asked) -> None:
    assert await asked.answers.answer(authenticate()) == actions.Accepted("alice", CLAIM)
    (attempt,) = asked.realm.asked
    assert (attempt.username, attempt.password, attempt.source, attempt.profile) == (
        "Alice",
        b"s3cret",
        "198.51.100.7",
        "default",
    )
    assert (attempt.realms, attempt.prompts, attempt.attempt_id) == ((), True, "1")
    assert attempt.local_address == PATH.local.ip


async def test_a_rejection_goes_back_in_words(asked: Asked) -> None:
    asked.realm.verdict = Rejected("user 'alice' is disabled", "coati user enable alice")
    answer = await asked.answers.answer(authenticate())
    assert answer == actions.Rejected("user 'alice' is disabled", "coati user enable alice", Claim(realm="scripted"))


async def test_a_challenge_and_its_answer_find_each_other(asked: Asked) -> None:
    asked.realm.verdict = Challenged("Code?", "passcode", "state")
    challenge = await asked.answers.answer(authenticate())
    assert (challenge.message, challenge.prompt) == ("Code?", actions.Prompt.PASSCODE)
    asked.realm.verdict = Accepted("alice", CLAIM)
    later = authenticate(answer=Secret(b"123456"), state=challenge.state)
    assert isinstance(await asked.answers.answer(later), actions.Accepted)
    assert (asked.realm.asked[1].answer, asked.realm.asked[1].state) == (b"123456", "state")


async def test_a_client_gets_an_address_and_what_its_pool_tells(asked: Asked) -> None:
    async with asked.installation.database.transaction() as session:
        await session.execute(update(models.Pool).values(dns=(IPv4Address("10.0.0.53"),), domain="corp.example"))
    await asked.reload()
    answer = await asked.configure(1)
    assert isinstance(answer, actions.Configuration)
    assert (answer.address, answer.netmask) == (IPv4Address("10.9.0.1"), IPv4Address("255.255.255.255"))
    assert (answer.dns, answer.domain) == ((IPv4Address("10.0.0.53"),), "corp.example")
    lease = asked.leases.of_peer(1)
    assert lease is not None
    assert (lease.user, lease.hostname) == ("alice", "laptop")


async def test_an_exhausted_pool_refuses_in_words_and_takes_nothing(asked: Asked) -> None:
    assert {await asked.address(1, "alice"), await asked.address(2, "bob")} == {
        IPv4Address("10.9.0.1"),
        IPv4Address("10.9.0.2"),
    }
    answer = await asked.configure(3, "carol")
    assert isinstance(answer, actions.Refused)
    assert answer.reason == "pool 'default' is exhausted: all of its 2 addresses are taken"
    assert "coati pool set default" in answer.remedy
    assert len(asked.leases) == 2
    assert asked.leases.of_peer(3) is None


async def test_a_pool_that_grew_serves_the_next_client(asked: Asked) -> None:
    for peer_id in (1, 2):
        await asked.address(peer_id)
    async with asked.installation.transaction(Actor("test")) as work:
        networks = (IPv4Network("10.9.0.0/30"), IPv4Network("10.9.1.0/30"))
        await pools.change(work, "default", PoolChange(networks=networks))
    await asked.reload()
    assert await asked.address(3) == IPv4Address("10.9.1.1")


async def test_without_a_pool_everybody_is_refused_in_words(asked: Asked) -> None:
    async with asked.installation.transaction(Actor("test")) as work:
        await pools.remove(work, "default")
    await asked.reload()
    assert await asked.configure(1) == actions.Refused("there is no address pool", "coati pool add")


async def test_a_profile_that_went_away_while_its_client_was_typing(asked: Asked) -> None:
    asked.answers.reconfigure(Compiled(policy=Policy(), offers={}, pool_names={}))
    answer = await asked.configure(1)
    assert isinstance(answer, actions.Refused)
    assert "profile 'default' is gone" in answer.reason
    assert len(asked.leases) == 0


async def test_a_question_that_is_withdrawn_before_it_is_looked_at_takes_no_address(asked: Asked) -> None:
    task = asyncio.create_task(asked.configure(1))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asked.leases) == 0


async def test_what_only_a_client_can_answer_is_a_mistake(asked: Asked) -> None:
    question = actions.AnswerPrompt(message="", prompt=actions.Prompt.PASSWORD)
    with pytest.raises(TypeError, match="AnswerPrompt"):
        await asked.answers.answer(question)


async def test_answers_write_nothing_themselves(asked: Asked) -> None:
    await asked.address(1)
    async with asked.installation.database.snapshot() as session:
        assert (await session.scalars(select(models.Lease).where(models.Lease.free_since.is_(None)))).all() == []
