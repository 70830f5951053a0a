"""Logins over a real FreeRADIUS."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

import pytest

from appliance.auth.radius.realm import Accounted
from appliance.auth.realm import HealthState
from appliance.auth.second_factor import Factor, OneTimeCodes
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Rejected, Unavailable
from appliance.models.radius import MessageAuthenticator, PasswordMethod
from appliance.policy.attributes import SecondFactor
from ike_engine.secret import Secret
from tests.appliance.auth.radius.conftest import MakeRealm, attempt, real
from tests.appliance.auth.radius.fake_server import FakeServer, accept, accept_with_wrong_secret
from tests.freeradius import FreeRadius
from tests.ports import free_port

if TYPE_CHECKING:
    from appliance.auth.radius.realm import RadiusRealm

BOTH = pytest.mark.parametrize("method", list(PasswordMethod))


@BOTH
async def test_a_login_brings_what_the_server_says_of_the_user(
    freeradius: FreeRadius, method: PasswordMethod, realm: MakeRealm
) -> None:
    corp = realm(real(freeradius, method=method))
    verdict = await corp.authenticate(attempt("alice", "wonderland"))
    assert isinstance(verdict, Accepted)
    assert verdict.user == "alice"
    claim = verdict.claim
    assert claim.groups == ("staff", "visitors")
    assert claim.attributes.said() == {
        "address": IPv4Address("10.9.0.77"),
        "netmask": IPv4Address("255.255.255.0"),
        "dns": (IPv4Address("10.0.0.53"), IPv4Address("10.0.0.54")),
        "wins": (IPv4Address("10.0.0.42"),),
        "routes": (IPv4Network("10.70.0.0/16"),),
        "session_limit_seconds": 3600,
        "idle_limit_seconds": 600,
        "interim_interval_seconds": 300,
    }
    assert isinstance(claim.accounting, Accounted)
    assert claim.accounting.classes == (b"OU=staff;",)
    assert corp.health.state is HealthState.OK


async def test_what_a_vpn_3000_would_understand(freeradius: FreeRadius, realm: MakeRealm) -> None:
    corp = realm(real(freeradius))
    verdict = await corp.authenticate(attempt("vera", "vera's password"))
    assert isinstance(verdict, Accepted)
    assert verdict.claim.attributes.said() == {  # 255.255.255.254 asks for an address of a pool
        "pool": "guests",
        "dns": (IPv4Address("10.1.0.53"),),
        "domain": "example.net",
        "split_include": (IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16")),
        "banner": "Welcome, Vera.",
    }


@BOTH
async def test_a_wrong_password(freeradius: FreeRadius, method: PasswordMethod, realm: MakeRealm) -> None:
    corp = realm(real(freeradius, method=method))
    verdict = await corp.authenticate(attempt("alice", "looking glass"))
    assert isinstance(verdict, Rejected)
    assert "refused 'alice'" in verdict.reason
    assert ("wrong password" in verdict.reason) == (method is PasswordMethod.MSCHAPV2)


async def test_the_servers_words_are_in_the_refusal(freeradius: FreeRadius, realm: MakeRealm) -> None:
    corp = realm(real(freeradius))
    verdict = await corp.authenticate(attempt("locked", "whatever"))
    assert isinstance(verdict, Rejected)
    assert verdict.reason.endswith("refused 'locked': Your account is locked")


@BOTH
async def test_a_name_that_is_not_ascii_and_the_name_that_the_server_calls_it_by(
    freeradius: FreeRadius, method: PasswordMethod, realm: MakeRealm
) -> None:
    corp = realm(real(freeradius, method=method))
    verdict = await corp.authenticate(attempt("jörg", "geheim"))
    assert isinstance(verdict, Accepted)
    assert verdict.user == "joerg"


async def test_the_name_that_the_server_tells_is_whose_second_factor_is_asked_for(
    freeradius: FreeRadius, realm: MakeRealm
) -> None:
    class OfJoerg:
        """Only he is enrolled, by the name that the server calls him by."""

        async def find(self, realm: str, user: str) -> Factor | None:
            return Factor(key=1, seed=Secret(b"A" * 32), last_step=0) if (realm, user) == ("corp", "joerg") else None

        async def spend(self, factor: Factor, code: str) -> bool:
            raise NotImplementedError

    codes = OneTimeCodes(OfJoerg(), lambda *_: SecondFactor.ENROLLED, lambda: datetime.now(UTC))
    corp = realm(real(freeradius))
    challenge = await codes.judge(corp, attempt("jörg", "geheim"))
    assert isinstance(challenge, Challenged)
    assert challenge.prompt == "passcode"
    assert isinstance(await codes.judge(corp, attempt("vera", "vera's password")), Accepted)


async def answers(corp: RadiusRealm, first: Attempt, *typed: str) -> list[Any]:
    """Log in, typing these answers; gives all verdicts."""
    verdicts = [await corp.authenticate(first)]
    for answer in typed:
        assert isinstance(verdicts[-1], Challenged)
        verdicts.append(
            await corp.authenticate(
                attempt(
                    first.username,
                    bytes(first.password).decode(),
                    answer=Secret(answer.encode()),
                    state=verdicts[-1].state,
                )
            )
        )
    return verdicts


async def test_a_challenge_of_two_rounds(freeradius: FreeRadius, realm: MakeRealm) -> None:
    corp = realm(real(freeradius))
    first, second, last = await answers(corp, attempt("tara", "tara's password"), "246810", "135791")
    assert (first.message, first.prompt) == ("Passcode of your token?", "passcode")
    assert second.message == "Wait for the token to change,\nthen enter the next passcode."
    assert second.prompt == "answer"  # the server lets it be echoed
    assert isinstance(last, Accepted)


async def test_a_wrong_answer_to_a_challenge(freeradius: FreeRadius, realm: MakeRealm) -> None:
    corp = realm(real(freeradius))
    *_, last = await answers(corp, attempt("tara", "tara's password"), "000000")
    assert isinstance(last, Rejected)
    assert "That is not the passcode" in last.reason


async def test_a_new_pin(freeradius: FreeRadius, realm: MakeRealm) -> None:
    corp = realm(real(freeradius))
    first, last = await answers(corp, attempt("paul", "paul's password"), "4711")
    assert (first.message, first.prompt) == ("Choose a new PIN of 4 digits", "next-pin")
    assert isinstance(last, Accepted)


async def test_the_realm_may_say_what_to_prompt_for(freeradius: FreeRadius, realm: MakeRealm) -> None:
    corp = realm(real(freeradius), prompt="password")
    first, *_ = await answers(corp, attempt("tara", "tara's password"))
    assert first.prompt == "password"


async def test_a_server_that_is_killed_in_the_middle_of_a_login(freeradius: FreeRadius, realm: MakeRealm) -> None:
    with FreeRadius() as first:
        corp = realm(real(first, timeout_seconds=20.0), real(freeradius))
        login = asyncio.create_task(corp.authenticate(attempt("sleepy", "sleepy's password")))
        await asyncio.sleep(0.2)
        assert not login.done()
        first.kill()
        # The second one takes its time over this user too: another shows that it is asked.
        assert isinstance(await corp.authenticate(attempt("alice", "wonderland")), Accepted)
        assert corp.health.state is HealthState.DEGRADED
        assert "nothing listens" in corp.health.words
        login.cancel()
        await asyncio.wait([login])


async def test_the_login_itself_goes_on_at_the_next_server(realm: MakeRealm) -> None:
    """The same, with a login that the second server can answer at once."""
    users = 'sam Cleartext-Password := "sam\'s password"\n'
    async with FakeServer(lambda _: None) as hangs:
        with FreeRadius(users) as second:
            corp = realm(hangs.server(timeout_seconds=0.2), real(second))
            verdict = await corp.authenticate(attempt("sam", "sam's password"))
            assert isinstance(verdict, Accepted)
            assert hangs.requests


async def test_a_server_with_a_bad_authenticator_is_not_believed(freeradius: FreeRadius, realm: MakeRealm) -> None:
    async with FakeServer(accept_with_wrong_secret) as impostor:
        corp = realm(impostor.server(timeout_seconds=0.2), real(freeradius))
        verdict = await corp.authenticate(attempt("alice", "not alice's password"))
        assert isinstance(verdict, Rejected), "the impostor accepts everybody"
        assert impostor.requests
        assert corp.group.ports[0].counters["bad-authenticator"] >= 1
        assert "bad authenticator" in corp.health.words
        alone = realm(impostor.server(timeout_seconds=0.2))
        verdict = await alone.authenticate(attempt("alice", "wonderland"))
        assert isinstance(verdict, Unavailable)
        assert "is the secret the same" in verdict.reason
        assert alone.health.state is HealthState.DOWN


async def test_debian_12s_server_is_believed_only_if_the_administrator_says_so(realm: MakeRealm) -> None:
    """It does not sign its replies by itself."""
    users = 'sam Cleartext-Password := "sam\'s password"\n'
    with FreeRadius(users, signs=False) as old:
        believed = {}
        for demand in MessageAuthenticator:
            patience = 2.0 if demand is MessageAuthenticator.REQUIRE else 20.0
            corp = realm(real(old, message_authenticator=demand, timeout_seconds=patience, retries=0))
            believed[demand] = await corp.authenticate(attempt("sam", "sam's password"))
    assert isinstance(believed[MessageAuthenticator.OFF], Accepted)
    assert isinstance(believed[MessageAuthenticator.AUTO], Accepted)
    required = believed[MessageAuthenticator.REQUIRE]
    assert isinstance(required, Unavailable)
    assert "without a Message-Authenticator" in required.reason


async def test_200_logins_at_once_over_a_server_that_takes_3_seconds(realm: MakeRealm) -> None:
    async with FakeServer(accept, delay=3.0) as slow:
        corp = realm(slow.server(timeout_seconds=10.0))
        began = time.monotonic()
        async with asyncio.timeout(60):
            verdicts = await asyncio.gather(
                *(corp.authenticate(attempt(f"user{number}", "x", attempt_id=str(number))) for number in range(200))
            )
        took = time.monotonic() - began
        assert all(isinstance(verdict, Accepted) for verdict in verdicts)
        assert {verdict.user for verdict in verdicts} == {f"user{number}" for number in range(200)}
        assert 3.0 <= took < 30.0, "one after the other they would take ten minutes"
        assert len(slow.requests) == 200


async def test_what_a_test_tells(freeradius: FreeRadius, realm: MakeRealm) -> None:
    corp = realm(real(freeradius))
    tested = await corp.test(attempt("alice", "wonderland"))
    facts = dict(tested.facts)
    assert tested.passed
    assert tested.round_trip_seconds is not None
    assert tested.round_trip_seconds > 0
    assert facts["server"] == f"127.0.0.1:{freeradius.auth_port}"
    assert facts["answered"] == "Access-Accept"
    assert facts["message authenticator"] == "in the reply, and right"
    assert facts["attribute Framed-IP-Address"] == "10.9.0.77"
    assert facts["attribute Class"] == "OU=staff;"
    assert facts["groups"] == "staff, visitors"
    refused = await corp.test(attempt("alice", "no"))
    assert not refused.passed
    assert dict(refused.facts)["answered"] == "Access-Reject"


async def test_a_test_without_a_user_asks_every_server(freeradius: FreeRadius, realm: MakeRealm) -> None:
    nowhere = real(freeradius, key=1, authentication_port=free_port(), timeout_seconds=1.0, retries=0)
    corp = realm(nowhere, real(freeradius))
    tested = await corp.test(None)
    assert (tested.passed, tested.words) == (True, "1 of 2 RADIUS servers answer")
    assert "nothing listens" in dict(tested.facts)["silent"]
    assert "coati realm server list" in tested.remedy


async def test_a_server_that_knows_no_status_is_asked_about_nobody(realm: MakeRealm) -> None:
    def deaf_to_status(request: Any) -> bytes | None:
        return None if request.code == 12 else accept(request)

    async with FakeServer(deaf_to_status) as server:
        corp = realm(server.server(timeout_seconds=0.5, retries=2))
        tested = await corp.test(None)
        assert tested.passed
        assert server.requests[-1]["User-Name"] == ["coati-test-nobody"]


async def test_secrets_are_in_no_representation_and_no_test_result(freeradius: FreeRadius, realm: MakeRealm) -> None:
    corp = realm(server := real(freeradius, method=PasswordMethod.MSCHAPV2))
    tested = await corp.test(attempt("alice", "wonderland"))
    assert "of the laboratory" not in repr(server)
    assert "S=" not in repr(tested)  # the server's proof of the password
