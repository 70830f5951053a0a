"""Every command that has something to say says it to machines, too: ``--json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import typer

from appliance.cli import console, program, users
from tests.appliance.cli.test_commands import PASSWORD, coati
from tests.appliance.client.test_every_verb import verbs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.appliance.cli.test_commands import Coati

__all__ = ["coati"]

NAMES = ("alice", "bob", "carol")
# They serve, or give a file.
WITHOUT = {("serve",), ("connect",), ("ca", "export"), ("ca", "crl"), ("certificate", "export"), ("backup", "fetch")}


def options_of(verb: tuple[str, ...]) -> set[str]:
    command: Any = typer.main.get_command(program.app)
    for word in verb:
        command = command.commands[word]
    return {option for parameter in command.params for option in parameter.opts}


def test_all_verbs_have_it_but_those_that_serve_or_give_a_file() -> None:
    command: Any = typer.main.get_command(program.app)
    assert {verb for verb in verbs(command) if "--json" not in options_of(verb)} == WITHOUT


def told(coati: Coati, *arguments: str, stdin: str = "", status: int = 0) -> Any:
    said = coati(*arguments, "--json", stdin=stdin)
    assert said.status == status, said
    return json.loads(said.out)


def test_what_was_made_or_changed_is_the_answer(coati: Coati) -> None:
    alice = told(coati, "user", "add", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (alice["name"], alice["enabled"]) == ("alice", True)
    assert told(coati, "user", "disable", "alice")["enabled"] is False
    assert told(coati, "group", "add", "staff", "reachable=10.0.0.0/8")["policy"] == {"reachable": ["10.0.0.0/8"]}
    assert told(coati, "ca", "create", "second", "--choose")["issues"] is True
    number = told(coati, "certificate", "issue", "--user", "alice")["id"]
    assert told(coati, "certificate", "revoke", str(number))["state"] == "revoked"
    assert told(coati, "certificate", "csr", "--name", "vpn.example.net")["pem"].startswith("-----BEGIN")
    assert told(coati, "settings", "set", "session_days", "30")["value"] == 30
    assert told(coati, "user", "remove", "alice", "--yes") is None


def test_secrets_that_were_made_are_in_it_this_once(coati: Coati) -> None:
    alice = told(coati, "user", "add", "alice", "--generate")
    assert (alice["name"], len(alice["password"])) == ("alice", 23)
    phones = told(coati, "profile", "add", "phones", "--method", "xauth-psk", "--psk-generate")
    assert (phones["name"], len(phones["group_key"]) > 15) == ("phones", True)


def test_a_secret_is_shown_once_it_counts(coati: Coati) -> None:
    coati("user", "add", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    coati("profile", "add", "phones", "--method", "xauth-psk", "--psk-generate")
    again = coati("user", "add", "alice", "--generate")
    assert (again.status, again.out) == (1, "")
    assert "group key" not in coati("profile", "set", "phones", "--psk-generate", "--dry-run").out
    shown = coati("user", "password", "alice", "--generate").out.splitlines()
    assert [line.partition(":")[0] for line in shown] == ["password", "user alice has a new password"]


def test_a_dry_run_tells_what_it_found(coati: Coati) -> None:
    coati("pool", "add", "office", "--network", "10.99.0.0/24")
    tried = told(coati, "pool", "set", "office", "--dns", "10.0.0.53", "--dry-run")
    assert [change["field"] for version in tried["changes"] for change in version["changes"]][:1] == ["dns"]
    assert told(coati, "pool", "show", "office")["dns"] == []


def test_who_is_asked_first_is_asked_beside_it(coati: Coati) -> None:
    coati("group", "add", "staff")
    said = coati("group", "remove", "staff", "--json", stdin="y\n")
    assert (said.status, json.loads(said.out)) == (0, None)
    assert "Remove group staff?" in said.err


def test_users_come_from_a_file_as_often_as_one_likes(
    coati: Coati, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "_USERS_AT_ONCE", 2)
    coati("group", "add", "staff")
    file = tmp_path / "users.csv"
    lines = ["name,password,full_name,group", *(f"{name},{PASSWORD},{name.title()} É,staff" for name in NAMES)]
    file.write_text("\r\n".join(lines), encoding="utf-8-sig")
    assert coati("user", "import", str(file)).out == "3 users added, 0 changed, 0 as they were\n"
    assert coati("user", "import", str(file)).out == "0 users added, 0 changed, 3 as they were\n"
    assert [user["full_name"] for user in told(coati, "user", "list")] == ["Alice É", "Bob É", "Carol É"]

    file.write_text("\n".join([*lines[:2], f"dave,{PASSWORD},,nobody", "erin,short,,"]), encoding="utf-8")
    refused = coati("user", "import", str(file))
    assert (refused.status, refused.out) == (1, "0 users added, 0 changed, 1 as they were\n")
    assert [line.split(": ")[1] for line in refused.err.splitlines()] == ["dave", "erin"]
    assert told(coati, "user", "import", str(file), status=1)["refused"] == 2

    for wrong, words in (
        ("name,colour\ndave,red\n", "there is no column 'colour'; take some of name, password,"),
        ("name;enabled\ndave;perhaps\n", "line 2: enabled: write true or false"),
        ("name\ndave\n-dave\n", "line 3: name: a login name begins with"),
        ("name\ndave\nDave\n", "dave stands in the table twice"),
    ):
        file.write_text(wrong)
        said = coati("user", "import", str(file))
        assert (said.status, words in said.err) == (1, True), said
    assert len(told(coati, "user", "list")) == 3


def test_a_list_of_many_pages_is_shown_whole(coati: Coati, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LARGEST_PAGE", 2)
    names = [f"group-{number}" for number in range(5)]
    for name in names:
        coati("group", "add", name)
    assert [group["name"] for group in told(coati, "group", "list")] == names
    assert len(coati("group", "list").out.splitlines()) == 6
    assert told(coati, "user", "list") == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("us", ["user"]), ("user dis", ["disable"]), ("profile set phones --preset mod", ["modern"])],
)
def test_a_shell_completes_what_is_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, offered: list[str]
) -> None:
    """Also the commands of nouns that are loaded only then."""
    words = ["coati", *typed.split(" ")]
    monkeypatch.setenv("_COATI_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit) as ended:
        console.guarded(program.app)
    assert (ended.value.code, capsys.readouterr().out.split()) == (0, offered)


def test_what_fails_has_no_answer(coati: Coati) -> None:
    said = coati("user", "disable", "nobody", "--json")
    assert (said.status, said.out) == (1, "")
    assert "there is no user nobody" in said.err
    assert coati("group", "add", "staff").out == "added group staff\n"  # and the next one speaks again


def test_the_status_says_what_is_off_and_ends_so(coati: Coati) -> None:
    coati("user", "add", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    said = coati("status")
    assert said.status == 1
    assert "0 live sessions, 1 local user\n" in said.out
    assert said.err.startswith("coati: ")
    assert "no gateway has run yet" in said.out
    assert told(coati, "status", status=1)["live_sessions"] == 0


@pytest.mark.parametrize("wanted", [(), ("--deed", "group."), ("--target", "staff"), ("staff",)])
def test_the_audit_log_is_read_and_filtered(coati: Coati, wanted: tuple[str, ...]) -> None:
    coati("group", "add", "staff", "--description", "Everybody")
    coati("user", "add", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    deeds = [entry["deed"] for entry in told(coati, "audit", *wanted)]
    assert deeds[-1 if wanted else 1] == "group.add"
    assert ("user.add" in deeds) == (not wanted)
    assert "on the command line" in coati("audit", *wanted).out
    assert '+ description = "Everybody"' in coati("audit", "--fields", *wanted).out
