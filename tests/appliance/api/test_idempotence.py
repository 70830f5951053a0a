"""A playbook in curl (docs/examples/office.sh) against a served appliance: the second run changes nothing."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import yaml

from appliance.models import Scope
from tests.appliance.client.test_remote import panel

if TYPE_CHECKING:
    from tests.appliance.client.test_remote import Panel

__all__ = ["panel"]

SCRIPT = Path(__file__).parents[3] / "docs" / "examples" / "office.sh"
THINGS = 10


@pytest.fixture
def curlrc(panel: Panel, tmp_path: Path) -> Path:
    """As docs/api.md has it made."""
    file = tmp_path / "curlrc"
    token = panel.tokens[Scope.OWN].read_text().strip()
    file.write_text(f'header = "Authorization: Bearer {token}"\ncacert = "{panel.ca}"\n')
    return file


def run(panel: Panel, curlrc: Path, **variables: str) -> list[str]:
    environment = {**os.environ, "COATI_URL": panel.url, "CURLRC": str(curlrc), **variables}
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def ask(panel: Panel, curlrc: Path, path: str) -> Any:
    words = ["curl", "-K", str(curlrc), "-sS", "--fail", f"{panel.url}/api/v1/{path}"]
    return json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)


def traces(panel: Panel, curlrc: Path) -> dict[str, Any]:
    """What a change leaves behind: an entry in the audit log, a version of the configuration, a time of change."""
    things = {
        path: ask(panel, curlrc, path)
        for path in (
            *("pools/office", "groups/staff", "users/alice", "realms/corp", "realms/corp/servers/main"),
            *("profiles/phones", "authorities/spare", "administrators/carol", "settings/session_days"),
        )
    }
    return {
        "audit": ask(panel, curlrc, "audit?limit=1")["total"],
        "configuration": ask(panel, curlrc, "configuration?limit=1")["total"],
        **things,
    }


def test_the_second_run_changes_nothing(panel: Panel, curlrc: Path) -> None:
    first = run(panel, curlrc)
    assert first[-1] == f"{THINGS} changed"
    assert first[:-1] == [
        *("new pools/office", "new groups/staff", "new users/alice", "new realms/corp", "new realms/corp/servers/main"),
        *("new profiles/phones", "new authorities/spare", "new administrators/carol"),
        *("changed settings/session_days", "changed settings/oidc_client_secret"),
    ]
    before = traces(panel, curlrc)
    second = run(panel, curlrc)
    assert [line.split()[0] for line in second[:-1]] == ["ok"] * THINGS
    assert second[-1] == "0 changed"
    assert traces(panel, curlrc) == before

    third = run(panel, curlrc, ALICE_PASSWORD="another white rabbit", RADIUS_SECRET="a new one of both")
    assert [line for line in third if not line.startswith("ok")] == [
        "changed users/alice",
        "changed realms/corp/servers/main",
        "2 changed",
    ]
    after = traces(panel, curlrc)
    assert (after["audit"], after["configuration"] >= before["configuration"]) == (before["audit"] + 2, True)
    assert after["pools/office"] == before["pools/office"]


def test_what_is_refused_ends_the_run_with_the_reason(panel: Panel, curlrc: Path) -> None:
    environment = {**os.environ, "COATI_URL": panel.url, "CURLRC": str(curlrc), "ALICE_PASSWORD": "alice"}
    done = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "users/alice: refused (422)" in done.stderr
    assert "too weak" in done.stderr


def test_the_ansible_playbook_changes_nothing_the_second_time(panel: Panel) -> None:
    """docs/examples/office.yml as Ansible reads it: each task's requests, and what it takes for a change."""
    (play,) = yaml.safe_load(SCRIPT.with_suffix(".yml").read_text())
    so, gone = play["tasks"]
    assert (so["changed_when"], gone["changed_when"]) == ('put.coati_changed == "true"', "gone.status == 204")
    token = panel.tokens[Scope.OWN].read_text().strip()
    trusted = ssl.create_default_context(cafile=str(panel.ca))

    def played() -> list[bool]:
        changed = []
        with httpx2.Client(
            base_url=f"{panel.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, verify=trusted, timeout=60
        ) as client:
            for item in so["loop"]:
                answer = client.put(item["path"], json=item["body"])
                assert answer.status_code in so["ansible.builtin.uri"]["status_code"], answer.text
                changed.append(answer.headers["coati-changed"] == "true")
            for path in gone["loop"]:
                answer = client.delete(path)
                assert answer.status_code in gone["ansible.builtin.uri"]["status_code"], answer.text
                changed.append(answer.status_code == 204)
        return changed

    assert any(played())
    assert not any(played())
