"""The command line on a real database: what people and scripts see, and that no secret is an argument."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer

from appliance.cli import program
from tests import command_line
from tests.command_line import Said

PASSWORD = "correct horse battery"


Coati = Callable[..., Said]


@pytest.fixture
def coati(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Coati:
    """Run a command; ``stdin`` is piped in. What the test does by itself is done to the same data."""
    monkeypatch.setenv("COATI_DATA_DIR", str(data_dir))
    return partial(command_line.coati, environment={"COATI_DATA_DIR": str(data_dir)})


def test_the_life_of_a_user(coati: Coati) -> None:
    assert (
        coati("user", "add", "Alice", "--password-stdin", "--full-name", "Alice A", stdin=f"{PASSWORD}\n").status == 0
    )
    assert json.loads(coati("user", "show", "alice", "--json").out)["full_name"] == "Alice A"
    generated = coati("user", "password", "alice", "--generate")
    assert len(generated.out.split("password: ")[1].split()[0]) == 23
    assert coati("user", "disable", "alice").status == 0
    assert [user["enabled"] for user in json.loads(coati("user", "list", "--json").out)] == [False]
    assert coati("user", "enable", "alice").status == 0
    listed = coati("user", "list").out.splitlines()
    assert listed[0].split()[:2] == ["NAME", "FULL"]
    assert "Alice A" in listed[1]
    assert coati("user", "remove", "alice", "--yes").status == 0
    assert "add one: coati user add NAME" in coati("user", "list").out


def test_failures_are_words_and_a_status(coati: Coati) -> None:
    weak = coati("user", "add", "alice", "--password-stdin", stdin="alice\n")
    assert (weak.status, weak.out) == (1, "")
    assert weak.err.startswith("coati: the password is too weak")
    assert coati("user", "show", "nobody") == (1, "", "coati: there is no user nobody\n")
    assert coati("pool", "add", "x", "--network", "10.0.0.1/24").status == 2
    assert coati("user", "add", "alice").status == 2
    assert coati("nonsense").status == 2
    assert "No such command" in coati("nonsense").err
    assert "use --password-stdin" in coati("user", "add", "alice").err
    assert "did you mean 10.0.0.0/24" in coati("pool", "add", "x", "--network", "10.0.0.1/24").err


def test_no_command_takes_a_secret_as_an_argument() -> None:
    found = []

    def walk(command: Any) -> None:
        for parameter in command.params:
            names = f"{parameter.name} {' '.join(parameter.opts)}"
            names_a_file = parameter.type_descriptor.annotation is Path
            if any(word in names for word in ("password", "psk", "secret", "key")) and not (
                names_a_file or getattr(parameter, "is_flag", False)
            ):
                found.append(f"{command.name}: {names}")
        for inner in getattr(command, "commands", {}).values():
            walk(inner)

    walk(typer.main.get_command(program.app))
    assert found == []


def test_a_small_command_loads_little(tmp_path: Path) -> None:
    """What makes it slow: all routes, the client of other gateways, migrations that are done, netlink."""
    program = "import sys; from appliance.cli.program import app; app(standalone_mode=False); print(*sys.modules)"
    words = [sys.executable, "-c", program, "--data-dir", str(tmp_path), "pool", "list", "--json"]
    subprocess.run(words, check=True, capture_output=True)  # makes the database
    loaded = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert "appliance.pools.service" in loaded
    assert {"appliance.api.application", "appliance.client", "httpx2", "alembic", "pyroute2"}.isdisjoint(loaded)


@pytest.mark.parametrize(
    ("program", "needless"),
    [
        ("appliance.cli.connect", {"fastapi", "sqlalchemy", "alembic"}),
        ("appliance.cli.serve", {"fastapi", "sqlalchemy", "alembic", "pyroute2"}),
        ("appliance.gateway.__main__", {"fastapi", "alembic", "pyroute2", "typer"}),
        ("appliance.prepare", {"fastapi", "alembic", "pyroute2", "typer"}),
        ("webui.__main__", {"alembic", "pyroute2", "typer"}),
    ],
)
def test_a_process_loads_what_it_needs(program: str, needless: set[str]) -> None:
    """Each of these costs every start a tenth of a second or more, and ten times that on a slow machine."""
    words = [sys.executable, "-c", f"import sys, {program}; print(*sys.modules)"]
    loaded = subprocess.run(words, check=True, capture_output=True, text=True, cwd=Path.cwd()).stdout.split()
    assert program in loaded
    assert needless.isdisjoint(loaded)


def test_pools(coati: Coati) -> None:
    assert coati("pool", "add", "office", "--network", "10.99.0.0/24", "--dns", "10.0.0.53").status == 0
    assert coati("pool", "set", "office", "--banner", "Welcome").status == 0
    shown = json.loads(coati("pool", "show", "office", "--json").out)
    assert (shown["dns"], shown["banner"], shown["addresses"]) == (["10.0.0.53"], "Welcome", 254)
    assert coati("lease", "list", "--pool", "office").out == "no address is taken\n"
    assert "no pool has the address" in coati("lease", "release", "192.0.2.1").err
    assert coati("pool", "remove", "office", "--yes").status == 0
    assert json.loads(coati("pool", "list", "--json").out) == []


def test_profiles(coati: Coati) -> None:
    made = coati("profile", "add", "phones", "--method", "xauth-psk", "--mode", "main", "--psk-generate")
    assert made.status == 0, made.err
    shown = coati("profile", "show", "phones", "--json").out
    key = next(word for word in made.out.split() if len(word) == 40)
    assert json.loads(shown)["has_pre_shared_key"] is True
    assert key not in shown + coati("profile", "list").out
    assert coati("profile", "set", "phones", "--preset", "compatible").status == 0
    assert json.loads(coati("profile", "show", "phones", "--json").out)["preset"] == "compatible"
    assert coati("profile", "remove", "phones", "--yes").status == 0


def test_realms(coati: Coati) -> None:
    assert "nobody can log in" in coati("realm", "list").out
    assert coati("realm", "add", "local", "local").status == 0
    assert json.loads(coati("realm", "list", "--json").out)[0]["kind"] == "local"
    assert coati("realm", "set", "local", "--disable").status == 0
    assert "enabled" in coati("realm", "show", "local").out
    refused = coati("realm", "test", "local", "--user", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert refused == (1, "", "coati: realm local is disabled; coati realm set local --enable\n")
    assert coati("realm", "set", "local", "--enable").status == 0
    assert "no gateway serves now" in coati("realm", "test", "local").err
    assert "colour" in coati("realm", "set", "local", "--setting", "colour=red").err
    assert coati("realm", "order", "local").out == "local\n"
    assert coati("realm", "remove", "local", "--yes").err.endswith("disable it: coati realm set local --disable\n")


def test_tokens(coati: Coati) -> None:
    made = coati("token", "create", "ci", "--scope", "write")
    assert made.out.startswith("coati_")
    assert made.out.strip() not in coati("token", "list", "--json").out
    assert coati("token", "revoke", "ci").status == 0
    assert json.loads(coati("token", "list", "--json").out)[0]["revoked_at"] is not None


def test_sessions_and_refusals(coati: Coati) -> None:
    assert coati("session", "list").out == "nobody is connected\n"
    assert json.loads(coati("session", "list", "--which", "all", "--json").out) == []
    assert coati("session", "disconnect", "1") == (1, "", "coati: there is no session 1\n")
    assert coati("refusal", "list", "--json").out.strip() == "[]"


def test_the_doctor_names_what_it_looked_at(coati: Coati) -> None:
    findings = json.loads(coati("doctor", "--json").out)
    assert {"privilege", "ESP", "forwarding", "clock", "data directory"} <= {finding["what"] for finding in findings}
    assert all(finding["good"] or finding["remedy"] for finding in findings)


def test_it_is_a_program(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "--version"], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert ran.stdout.startswith("coati ")
    assert not list(tmp_path.iterdir())


def test_groups_and_policy(coati: Coati) -> None:
    assert coati("policy", "show").out.startswith("nothing is said for everybody")
    assert "600" in coati("policy", "set", "idle-limit-seconds=600").out
    added = coati("group", "add", "staff", "reachable=10.1.0.0/16,10.2.0.0/16", "--description", "Staff")
    assert added.status == 0, added.err
    assert "10.1.0.0/16, 10.2.0.0/16" in coati("group", "show", "staff").out
    assert coati("group", "set", "staff", "banner=Hello, you", "idle-limit-seconds=0").status == 0
    assert coati("group", "set", "staff", "idle-limit-seconds=inherit").status == 0
    shown = json.loads(coati("group", "list", "--json").out)[0]
    assert shown["policy"] == {"reachable": ["10.1.0.0/16", "10.2.0.0/16"], "banner": "Hello, you"}
    made = coati(
        "user", "add", "alice", "access-hours=Mon-Fri 08:00-18:00 Europe/Berlin", "--group", "staff", "--generate"
    )
    assert made.status == 0, made.err
    lines = coati("user", "policy", "alice").out.splitlines()
    said = {line.split("  ")[0]: line.split()[-1] for line in lines}
    assert (said["access hours"], said["banner"]) == ("user", "staff")
    wrong = coati("group", "set", "staff", "colour=red")
    assert wrong.status == 2
    assert "idle-limit-seconds" in wrong.err
    assert "are no hours" in coati("policy", "set", "access-hours=noon").err
    assert coati("user", "set", "alice", "--group", "").status == 0
    assert coati("group", "remove", "staff", "--yes").status == 0


def test_expiry_and_passwords_that_should_be_changed(coati: Coati) -> None:
    assert coati("user", "add", "alice", "--expires", "2030-01-31", "--must-change", "--generate").status == 0
    shown = json.loads(coati("user", "show", "alice", "--json").out)
    assert (shown["expires_at"], shown["must_change_password"]) == ("2030-01-31T00:00:00Z", True)
    assert shown["password_strength"] == 4
    assert coati("user", "password", "alice", "--generate").status == 0
    assert coati("user", "set", "alice", "--never-expires", "--full-name", "Alice").status == 0
    shown = json.loads(coati("user", "show", "alice", "--json").out)
    assert (shown["expires_at"], shown["must_change_password"], shown["full_name"]) == (None, False, "Alice")
    assert coati("user", "report").out == "every password is strong and recent\n"


def test_the_life_of_a_radius_server(coati: Coati) -> None:
    assert coati("realm", "add", "corp", "radius", "--setting", "prompt=passcode").status == 0
    options = ("--message-authenticator", "auto", "--method", "mschapv2", "--coa")
    added = coati("realm", "server", "add", "corp", "10.0.0.5", "--secret-stdin", *options, stdin=f"{PASSWORD}\n")
    assert "coati realm test corp" in added.out
    assert coati("realm", "server", "set", "corp", "10.0.0.5", "--dead-time", "5", "--no-accounting").status == 0
    shown = json.loads(coati("realm", "server", "show", "corp", "10.0.0.5", "--json").out)
    assert (shown["method"], shown["dynamic_authorization"], shown["accounting"]) == ("mschapv2", True, False)
    assert shown["dead_seconds"] == 5
    listed = coati("realm", "server", "list", "corp").out
    assert "1812/1813" in listed
    assert PASSWORD not in listed + json.dumps(shown)
    assert coati("realm", "server", "remove", "corp", "10.0.0.5", "--yes").status == 0
    assert "coati realm server add corp ADDRESS" in coati("realm", "server", "list", "corp").out
    assert "--secret-stdin" in coati("realm", "server", "add", "corp", "10.0.0.5").err


def test_settings(coati: Coati) -> None:
    assert "panel_idle_minutes" in coati("settings", "list").out
    assert coati("settings", "set", "log_level", "debug").out == "log_level is debug\n"
    assert coati("settings", "set", "panel_idle_minutes", "15").out == "panel_idle_minutes is 15\n"
    assert json.loads(coati("settings", "show", "panel_idle_minutes", "--json").out)["value"] == 15
    assert coati("settings", "set", "panel_idle_minutes", "soon").status == 2
    assert coati("settings", "reset", "panel_idle_minutes").out == "panel_idle_minutes is 60\n"
    assert "coati settings list" in coati("settings", "show", "colour").err
    assert "must not be an argument" in coati("settings", "set", "oidc_client_secret", "hush hush").err
    assert coati("settings", "set", "oidc_client_secret", "--stdin", stdin="hush hush\n").out.endswith("is set\n")
    assert "hush" not in coati("settings", "list", "--json").out
    roles = '{"ops": "operator"}'
    assert coati("settings", "set", "oidc_roles", roles).status == 0


def test_the_life_of_a_certificate(coati: Coati, tmp_path: Path) -> None:
    assert coati("ca", "create", "own", "--common-name", "Our own", "--choose").status == 0
    issued = coati("certificate", "issue", "--user", "alice")
    assert issued.out.startswith("certificate 2: user, CN=alice")
    file = tmp_path / "alice.p12"
    exported = coati("certificate", "export", "2", "-o", str(file), "--passphrase-stdin", stdin="sesame, open\n")
    assert exported.status == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert "a passphrase has at least" in coati("certificate", "export", "2", "--passphrase-stdin", stdin="x\n").err
    assert "CN=alice is revoked" not in coati("certificate", "revoke", "2").err
    (listed,) = json.loads(coati("certificate", "list", "--user", "alice", "--json").out)
    assert listed["state"] == "revoked"
    assert "BEGIN X509 CRL" in coati("ca", "crl").out
    assert "coati certificate list" in coati("certificate", "show", "7").err
    asked = coati("certificate", "csr", "--name", "vpn.example.net")
    assert "BEGIN CERTIFICATE REQUEST" in asked.out
    assert "--number 1" in asked.err
    assert [each["id"] for each in json.loads(coati("certificate", "csr", "--list", "--json").out)] == [1]
    assert coati("certificate", "csr", "--forget", "--number", "1").status == 0
    pem = tmp_path / "ca.pem"
    pem.write_text(json.loads(coati("ca", "show", "own", "--json").out)["certificate"]["pem"])
    assert "is here already" in coati("ca", "import", "again", str(pem)).err
    assert coati("ca", "set", "own", "--check", "hard").status == 0
    assert "own" in coati("ca", "list").out
