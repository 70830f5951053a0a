"""Every verb of the command line, in one table: it works from afar, or says that it is for this machine only."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
import typer

from appliance.cli import program
from appliance.models import Scope
from tests.appliance.client.test_remote import PASSWORD, coati, panel
from tests.appliance.outside_authority import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["coati", "panel"]

HERE: Final = "leave --url (COATI_URL) out"
PASSPHRASE: Final = "a passphrase that is long\n"


class Row(NamedTuple):
    """What is typed, what is piped in, and what is said of it when it cannot be done; empty: it is done."""

    typed: str
    piped: str = ""
    refused: str = ""


NO_SESSION: Final = "there is no session 1"
TABLE: Final = (
    # ---- of this machine only
    Row("serve", refused=HERE),
    Row("connect vpn.example.net --user alice", refused=HERE),
    Row("doctor", refused=HERE),
    Row("backup show {folder}/outside.pem", refused=HERE),
    Row("backup verify {folder}/outside.pem --passphrase-stdin", PASSPHRASE, refused=HERE),
    Row("backup restore {folder}/outside.pem --passphrase-stdin", PASSPHRASE, refused=HERE),
    # ---- from afar: users, groups, policy
    Row("group add staff"),
    Row("group set staff --description Everybody"),
    Row("group list"),
    Row("group show staff"),
    Row("user add alice --password-stdin", f"{PASSWORD}\n"),
    Row("user set alice --group staff"),
    Row("user list"),
    Row("user import {folder}/users.csv"),
    Row("user show alice"),
    Row("user policy alice"),
    Row("user report"),
    Row("user disable alice"),
    Row("user enable alice"),
    Row("user password alice --password-stdin", "another horse battery\n"),
    Row("user second-factor enrol alice --confirm-later"),
    Row("user second-factor confirm alice", "000000\n", refused="this is not the code of now"),
    Row("user second-factor recovery-codes alice", refused="was not confirmed"),
    Row("user second-factor list"),
    Row("user second-factor reset alice --yes"),
    Row("policy set banner=Welcome"),
    Row("policy show"),
    Row("lockout list"),
    Row("lockout lift alice", refused="no failed login"),
    # ---- pools, profiles, realms
    Row("pool add office --network 10.77.0.0/24"),
    Row("pool set office --banner Hello"),
    Row("pool list"),
    Row("pool show office"),
    Row("lease list"),
    Row("lease release 10.77.0.9", refused="10.77.0.9"),
    Row("pool remove office --yes"),
    Row("realm add corp radius"),
    Row("realm list"),
    Row("realm show corp"),
    Row("realm server add corp main --address 192.0.2.9 --secret-stdin", "a secret of both\n"),
    Row("realm server list corp"),
    Row("realm server show corp main"),
    Row("realm server set corp main --retries 2"),
    Row("realm test corp", refused="no gateway serves now"),
    Row("realm order corp local"),
    Row("realm server remove corp main --yes"),
    Row("realm set corp --disable"),
    Row("profile add phones"),
    Row("profile set phones --realm local"),
    Row("profile list"),
    Row("profile show phones"),
    Row("profile order phones default"),
    Row("profile remove phones --yes"),
    Row("realm remove corp --yes"),
    # ---- what happened, and what is
    Row("status", refused="no gateway"),
    Row("audit --fields"),
    Row("history"),
    Row("log"),
    Row("traffic"),
    Row("accounting list"),
    Row("gateway list"),
    Row("gateway orders"),
    Row("gateway sad gw-9", refused="there is no gateway gw-9"),
    Row("gateway spd gw-9", refused="there is no gateway gw-9"),
    Row("gateway reload gw-9", refused="there is no gateway gw-9"),
    Row("session list"),
    Row("session show 1", refused=NO_SESSION),
    Row("session transcript 1", refused=NO_SESSION),
    Row("session disconnect 1", refused=NO_SESSION),
    Row("session rekey 1", refused=NO_SESSION),
    Row("session policy 1", refused=NO_SESSION),
    Row("refusal list"),
    Row("refusal show 1", refused="there is no refusal 1"),
    # ---- certificates, files for clients
    Row("ca export -o {folder}/ca.pem"),
    Row("ca list"),
    Row("ca create spare"),
    Row("ca show spare"),
    Row("ca set spare --for-clients"),
    Row("ca crl spare -o {folder}/crl.pem"),
    Row("ca crl"),
    Row("ca choose coati"),
    Row("ca renew"),
    Row("ca renew spare"),
    Row("ca remove spare --yes"),
    Row("ca import outside {folder}/outside.pem"),
    Row("certificate issue --user alice"),
    Row("certificate list"),
    Row("certificate show gateway"),
    Row("certificate export gateway --no-key --format pem -o {folder}/gateway.pem"),
    Row("certificate renew gateway"),
    Row("certificate revoke panel"),
    Row("certificate import {folder}/leaf.pem --purpose server"),
    Row("certificate csr -o {folder}/request.pem"),
    Row("certificate csr --list"),
    Row("certificate csr --number 1 --forget"),
    Row("export alice"),
    Row("export alice --format swanctl -o {folder}/alice.tar.gz"),
    Row("link create alice"),
    Row("link list"),
    Row("link remove 1 --yes"),
    # ---- the appliance itself
    Row("settings list"),
    Row("settings set session_days 30"),
    Row("settings show session_days"),
    Row("settings reset session_days"),
    Row("config history"),
    Row("config diff 1"),
    Row("config rollback 999999 --yes", refused="999999"),
    Row("token create ci"),
    Row("token list"),
    Row("token revoke ci"),
    Row("admin add olivia --role auditor --password-stdin", f"{PASSWORD}\n"),
    Row("admin list"),
    Row("admin role olivia operator"),
    Row("admin password olivia --password-stdin", "another horse battery\n"),
    Row("admin totp-reset olivia --yes", refused="has no second factor"),
    Row("admin sessions olivia"),
    Row("admin passkeys olivia"),
    Row("admin passkeys olivia --remove 1", refused="no passkey"),
    Row("admin disable olivia"),
    Row("admin enable olivia"),
    Row("admin remove olivia --yes"),
    Row("backup create {folder}/monday.coati-backup --passphrase-stdin", PASSPHRASE),
    Row("backup send {folder}/monday.coati-backup --name tuesday.coati-backup"),
    Row("backup list"),
    Row("backup show tuesday.coati-backup"),
    Row("backup verify tuesday.coati-backup --passphrase-stdin", PASSPHRASE),
    Row("backup fetch tuesday.coati-backup -o {folder}/tuesday.coati-backup"),
    Row("backup schedule"),
    Row("backup run", refused="no passphrase"),
    Row("settings set backup_passphrase --stdin", PASSPHRASE),
    Row("backup run"),
    Row("backup replace nothing --passphrase-stdin", PASSPHRASE, refused="nothing"),
    Row("backup replacement", refused="no backup"),
    Row("backup keep-present", refused="no backup"),
    Row("backup remove tuesday.coati-backup --yes"),
    Row("user remove alice --yes"),
    Row("group remove staff --yes"),
)


def verbs(command: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield before
        return
    for name, each in inner.items():
        yield from verbs(each, (*before, name))


def test_the_table_has_every_verb() -> None:
    known = set(verbs(typer.main.get_command(program.app)))
    tried = {verb for row in TABLE for verb in known if tuple(row.typed.split()[: len(verb)]) == verb}
    assert known - tried == set()


@pytest.mark.timeout(600)
def test_every_verb_works_from_afar_or_says_that_it_is_for_this_machine(
    coati: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    outside = Authority("Outside CA")
    (tmp_path / "outside.pem").write_bytes(outside.pem)
    (tmp_path / "leaf.pem").write_bytes(outside.issue("server.example.net").pem())
    (tmp_path / "users.csv").write_text(f"name,password\ncarol,{PASSWORD}\n")
    wrong = {}
    for row in TABLE:
        typed = row.typed.format(folder=tmp_path)
        status, _, words = coati(*shlex.split(typed), stdin=row.piped, scope=Scope.OWN)
        if (row.refused not in words or not status) if row.refused else status:
            wrong[typed] = (status, words)
    assert wrong == {}
    assert not (tmp_path / "nothing here").exists()  # what would be this machine's own data
    for name in (
        "ca.pem",
        "crl.pem",
        "gateway.pem",
        "request.pem",
        "alice.tar.gz",
        "monday.coati-backup",
        "tuesday.coati-backup",
    ):
        assert (tmp_path / name).stat().st_size > 100
