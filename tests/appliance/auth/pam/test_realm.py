"""The PAM realm on a real PAM: pam_unix with a user of this machine, pam_matrix, modules that hang, ask and crash."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from appliance.auth.pam.realm import PamRealm
from appliance.auth.pam.settings import PamSettings
from appliance.auth.verdicts import Accepted, Attempt, Challenged, Rejected, Unavailable
from ike_engine.secret import Secret
from tests.appliance.auth.pam.conftest import MATRIX, MATRIX_PASSWORD, SYSTEM_PASSWORD, Running
from tests.appliance.gateway.recording import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.auth.verdicts import Verdict

pytestmark = pytest.mark.root


async def at_once(_seconds: float) -> None:
    """Let no refusal wait."""


def realm(running: Running, service: str, **settings: Any) -> PamRealm:
    return PamRealm("staff", PamSettings(service=service, **settings), running.worker, sleep=at_once)


def shell(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def judge(of: PamRealm, user: str, password: str, **more: Any) -> Verdict:
    return await of.authenticate(attempt(user, password, **more))


def attempt(user: str, password: str, **more: Any) -> Attempt:
    return Attempt(username=user, password=Secret(password.encode()), source="198.51.100.7", profile="default", **more)


async def test_a_user_of_this_machine_gets_in_with_the_right_password(
    running: Running, unix: str, system_user: str
) -> None:
    verdict = await judge(realm(running, unix), system_user.upper(), SYSTEM_PASSWORD)
    assert isinstance(verdict, Accepted)
    assert (verdict.user, verdict.claim.realm) == (system_user, "staff")


async def test_a_wrong_password_is_rejected(running: Running, unix: str, system_user: str) -> None:
    verdict = await judge(realm(running, unix), system_user, "wrong")
    assert isinstance(verdict, Rejected)
    assert "wrong password" in verdict.reason


async def test_a_user_whom_nobody_knows_is_rejected(running: Running, unix: str) -> None:
    verdict = await judge(realm(running, unix), "nobody-knows-me", "wrong")
    assert isinstance(verdict, Rejected)
    assert "knows no user" in verdict.reason


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("chage", "--expiredate", "2020-01-01"), "the account of {user!r} has expired"),
        (("chage", "--lastday", "0"), "has expired and must be changed"),
        (("chage", "--lastday", "2020-01-01", "--maxdays", "10", "--inactive", "10"), "has expired"),
        (("passwd", "--lock"), "passwd --status {user}"),
    ],
)
async def test_what_keeps_a_right_password_from_being_enough_is_told_apart(
    running: Running, unix: str, system_user: str, command: tuple[str, ...], words: str
) -> None:
    shell(*command, system_user)
    verdict = await judge(realm(running, unix), system_user, SYSTEM_PASSWORD)
    assert isinstance(verdict, Rejected)
    assert words.format(user=system_user) in verdict.reason + verdict.remedy


async def test_rules_that_deny_are_named(running: Running, pam_service: Callable[..., str], system_user: str) -> None:
    service = pam_service("auth required pam_unix.so", "account required pam_deny.so")
    verdict = await judge(realm(running, service), system_user, SYSTEM_PASSWORD)
    assert isinstance(verdict, Rejected)
    assert service in verdict.reason + verdict.remedy


async def test_accounts_of_the_system_are_refused_with_the_right_password(
    running: Running, pam_service: Callable[..., str], system_user: str
) -> None:
    anybody = pam_service("auth required pam_permit.so", "account required pam_permit.so")
    refused = await judge(realm(running, anybody), "root", "anything")
    assert isinstance(refused, Rejected)
    assert "uid 0" in refused.reason
    uid = int(shell("id", "-u", system_user))
    assert isinstance(await judge(realm(running, anybody, minimum_uid=uid + 1), system_user, "anything"), Rejected)
    assert isinstance(await judge(realm(running, anybody, minimum_uid=uid), system_user, "anything"), Accepted)


@pytest.mark.parametrize("name", ["../../etc/passwd", "-v", "a b", "neo\n", "neo;id", "$(id)", "", "n" * 129, "néo"])
async def test_names_that_are_none_never_reach_pam(running: Running, matrix: str, name: str) -> None:
    assert isinstance(await judge(realm(running, matrix), name, MATRIX_PASSWORD), Rejected)
    assert not running.worker._used


async def test_users_of_a_module_need_no_account_here(running: Running, matrix: str) -> None:
    stripped = realm(running, matrix, strip_domain=True)
    verdict = await judge(stripped, "neo@example.net", MATRIX_PASSWORD)
    assert isinstance(verdict, Accepted)
    assert verdict.user == "neo"
    assert isinstance(await judge(stripped, "neo@example.net", "wrong"), Rejected)
    assert isinstance(await judge(realm(running, matrix), "neo@example.net", MATRIX_PASSWORD), Rejected)


async def test_the_module_is_told_from_where(
    running: Running, pam_service: Callable[..., str], script: Callable[[str], Path], tmp_path: Path
) -> None:
    note = script('echo "$PAM_RHOST $PAM_TTY $PAM_SERVICE $PAM_USER" >$here/noted')
    service = pam_service(f"auth required pam_exec.so {note}", "account required pam_permit.so")
    assert isinstance(await judge(realm(running, service), "neo", "anything"), Accepted)
    assert (tmp_path / "noted").read_text() == f"198.51.100.7 coati {service} neo\n"


async def test_a_service_that_is_not_there_is_unavailable_and_nobody_gets_in_by_the_fallback(
    running: Running, system_user: str
) -> None:
    verdict = await judge(realm(running, "coati-test-missing"), system_user, SYSTEM_PASSWORD)
    assert isinstance(verdict, Unavailable)
    assert "no file /etc/pam.d/coati-test-missing" in verdict.reason


async def test_a_module_that_is_not_there_is_unavailable(running: Running, pam_service: Callable[..., str]) -> None:
    service = pam_service("auth required pam_that_nobody_wrote.so", "account required pam_permit.so")
    verdict = await judge(realm(running, service), "neo", MATRIX_PASSWORD)
    assert isinstance(verdict, Unavailable)
    assert service in verdict.remedy


async def test_a_hung_module_costs_its_own_logins_and_is_killed_with_all_it_started(
    running: Running, pam_service: Callable[..., str], matrix: str, script: Callable[[str], Path], tmp_path: Path
) -> None:
    hang = script("echo $$ >>$here/hung; sleep 600")
    hung = realm(running, pam_service(f"auth required pam_exec.so {hang}"), timeout_seconds=3.0)
    # More than its slots: the rest must not even come to the worker.
    waiting = [asyncio.create_task(judge(hung, "neo", "anything")) for _ in range(20)]
    await eventually(lambda: len(running.children()) == 16)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert isinstance(await judge(realm(running, matrix), "neo", MATRIX_PASSWORD), Accepted)
    assert not any(task.done() for task in waiting[:16]), f"it waited {loop.time() - began:.1f} s"
    verdicts = await asyncio.gather(*waiting)
    assert all(isinstance(verdict, Unavailable) for verdict in verdicts)
    assert "did not answer within 3 s" in verdicts[0].reason
    await eventually(lambda: running.children() == [])
    pids = [int(line) for line in (tmp_path / "hung").read_text().split()]
    assert len(pids) == 20
    await eventually(lambda: not any(_lives(pid) for pid in pids))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_client_that_gives_up_takes_its_process_with_it(
    running: Running, pam_service: Callable[..., str]
) -> None:
    hung = realm(running, pam_service("auth required pam_exec.so /bin/sleep 600"), timeout_seconds=50.0)
    waiting = asyncio.create_task(judge(hung, "neo", "anything"))
    await eventually(lambda: len(running.children()) == 1)
    waiting.cancel()
    await eventually(lambda: running.children() == [])


async def test_a_module_that_dies_is_unavailable(
    running: Running, pam_service: Callable[..., str], script: Callable[[str], Path]
) -> None:
    crash = script("kill -SEGV $PPID; sleep 5")
    verdict = await judge(realm(running, pam_service(f"auth required pam_exec.so {crash}")), "neo", "anything")
    assert isinstance(verdict, Unavailable)
    assert "SIGSEGV" in verdict.reason


async def test_a_second_prompt_becomes_a_round_of_its_own(
    running: Running, pam_service: Callable[..., str], system_user: str, tmp_path: Path
) -> None:
    # Two modules, each with its own password: the second must ask the user.
    of_matrix = f"auth required {MATRIX} passdb={tmp_path / 'passdb'}"
    service = pam_service("auth required pam_unix.so", of_matrix, "account required pam_permit.so")
    (tmp_path / "passdb").write_text(f"{system_user}:{MATRIX_PASSWORD}:{service}\n")
    two = realm(running, service)
    for answer, verdict in ((MATRIX_PASSWORD, Accepted), ("wrong", Rejected)):
        asked = await judge(two, system_user, SYSTEM_PASSWORD)
        assert isinstance(asked, Challenged)
        assert "assword" in asked.message
        last = await judge(two, system_user, SYSTEM_PASSWORD, answer=Secret(answer.encode()), state=asked.state)
        assert isinstance(last, verdict)


def session_lines(script: Callable[[str], Path]) -> tuple[str, ...]:
    note = script('echo "$PAM_TYPE" >>$here/sessions')
    return ("auth required pam_permit.so", "account required pam_permit.so", f"session required pam_exec.so {note}")


async def test_a_session_is_open_as_long_as_the_stay(
    running: Running, pam_service: Callable[..., str], script: Callable[[str], Path], tmp_path: Path
) -> None:
    service = pam_service(*session_lines(script))
    verdict = await judge(realm(running, service, open_session=True), "neo", "anything")
    assert isinstance(verdict, Accepted)
    assert (tmp_path / "sessions").read_text() == "open_session\n"
    running.worker.end(verdict.claim.pam_session)
    await eventually(lambda: (tmp_path / "sessions").read_text() == "open_session\nclose_session\n")
    await eventually(lambda: running.children() == [])


async def test_a_worker_that_is_told_to_end_closes_the_sessions(
    running: Running, pam_service: Callable[..., str], script: Callable[[str], Path], tmp_path: Path
) -> None:
    service = pam_service(*session_lines(script))
    assert isinstance(await judge(realm(running, service, open_session=True), "neo", "anything"), Accepted)
    running.process.terminate()
    running.process.wait(20)
    assert (tmp_path / "sessions").read_text() == "open_session\nclose_session\n"


async def test_no_password_is_in_the_arguments(running: Running, pam_service: Callable[..., str]) -> None:
    hung = realm(running, pam_service("auth required pam_exec.so /bin/sleep 600"), timeout_seconds=50.0)
    waiting = asyncio.create_task(judge(hung, "neo", MATRIX_PASSWORD))
    await eventually(lambda: len(running.children()) == 1)
    for pid in (running.process.pid, *running.children()):
        assert MATRIX_PASSWORD not in shell("cat", f"/proc/{pid}/cmdline", f"/proc/{pid}/environ")
    waiting.cancel()
