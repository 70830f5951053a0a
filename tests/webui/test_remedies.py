"""What would let a refused client in leads to the field where it is said; the words are those of who refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from appliance.groups import service as groups
from appliance.groups.schemas import NewGroup
from appliance.installation import Actor
from appliance.models import RealmKind
from appliance.models.columns import now
from appliance.realms import service as realms
from appliance.realms.schemas import NewRealm
from appliance.refusals.schemas import RefusalView
from appliance.users import service as users
from appliance.users.schemas import NewUser
from ike_engine.events import PeerRefused
from ike_engine.policy import Authentication, EspProposal, IkeProposal, Phase1Mode
from ike_engine.secret import Secret
from tests.ike_engine.lab import CONFIGURATION, pair
from tests.webui.signing_in import sign_in
from webui.remedies import setting

if TYPE_CHECKING:
    import httpx2

PSK = Authentication.XAUTH_PSK


def refusal(remedy: str, profile: str = "default", **more: Any) -> RefusalView:
    known = {
        "id": 1,
        "at": datetime.now().astimezone(),
        "node": "gw",
        "peer_address": "192.0.2.1",
        "peer_port": 500,
        "local_address": "",
        "stage": "phase 1",
        "reason": "because",
        "identity": "",
        "username": "",
        "realm": "",
        "offered": (),
        "accepted": (),
        "vendor_ids": (),
    }
    return RefusalView(**known | more, remedy=remedy, profile=profile)


OF_THE_ENGINE = {
    "no suite in common": (
        {"client": {"ike_proposals": (IkeProposal.from_text("aes256-sha1-modp2048"),)}},
        "/profiles/staff/change#f-preset",
    ),
    "a method that no profile allows": (
        {"client": {"authentication": frozenset({PSK}), "pre_shared_key": Secret(b"k")}},
        "/profiles/staff/change#f-authentication",
    ),
    "a mode that is not allowed": (
        {"mode": Phase1Mode.AGGRESSIVE, "gateway": {"modes": frozenset({Phase1Mode.MAIN})}},
        "/profiles/staff/change#f-modes",
    ),
    "a group that nobody serves": (
        {"mode": Phase1Mode.AGGRESSIVE, "gateway": {"group_names": frozenset({"other"})}},
        "/profiles",
    ),
    "another group key": (
        {"method": PSK, "client": {"pre_shared_key": Secret(b"another key")}},
        "/profiles/staff/change#f-pre_shared_key",
    ),
    "a certificate of an authority that is not here": (
        {"method": Authentication.XAUTH_RSA, "gateway": {"trust_anchors": ()}},
        "/certificates/authorities",
    ),
    "no ESP suite in common": (
        {
            "client": {"esp_proposals": (EspProposal.from_text("aes256-sha512"),)},
            "gateway": {"esp_proposals": (EspProposal.from_text("aes256gcm16"),)},
        },
        "/profiles/staff/change#f-preset",
    ),
    "no PFS": ({"gateway": {"require_pfs": True}}, "/profiles/staff/change#f-require_pfs"),
    "networks out of reach": (
        {"configuration": replace(CONFIGURATION, reachable=(IPv4Network("10.1.0.0/16"),))},
        "",
    ),
}


@pytest.mark.parametrize("name", OF_THE_ENGINE)
def test_the_engine_says_it_in_words_that_are_found(name: str) -> None:
    laboratory, path = OF_THE_ENGINE[name]
    lab = pair(**laboratory)
    lab.connect(60)
    if not path:  # narrowed, not refused
        assert lab.gateway.of(PeerRefused) == []
        return
    refused: PeerRefused = lab.gateway.of(PeerRefused)[0]
    assert refused.remedy
    found = setting(refusal(refused.remedy, refused.profile))
    assert found is not None, refused.remedy
    assert found.path == path


# The words of who judges logins and gives addresses; each file is named, to be looked at when it changes.
OF_THE_APPLIANCE = {
    # appliance/auth/local.py
    "if the user forgot it, set a new one: coati user password alice": "/users/alice#f-password",
    "if this is a new user: coati user add bob": "/users/add?name=bob",
    "to let the user in again: coati user enable alice": "/users/alice",
    "give a later date: coati user set alice --expires YYYY-MM-DD": "/users/alice#f-expires_at",
    "the user can choose one on the panel's self-service page; or let it be: coati user set alice --need-not-change": (
        "/users/alice#f-must_change_password"
    ),
    # appliance/auth/chain.py
    "wait a few minutes; if the client has an old password saved, change it there; "
    "to let the user try at once: coati lockout lift alice": "/lockouts?text=alice",
    "to let its users in again: coati realm set corp --enable": "/realms/corp#f-enabled",
    "if it shall: coati profile set default --realm local --realm corp": "/profiles/default/change#f-realms",
    # appliance/auth/second_factor.py
    "wait for the next code; if the telephone is gone: coati user second-factor reset alice --realm local": (
        "/users/alice#second-factor"
    ),
    "coati user second-factor enrol alice --realm local": "/users/alice#second-factor",
    "have the user type the code right behind the password, or let profile 'default' ask for it": (
        "/profiles/default/change#f-xauth_prompts"
    ),
    # appliance/auth/pam/realm.py
    "accounts below uid 1000 are refused (minimum_uid of realm corp)": "/realms/corp#f-minimum_uid",
    # appliance/gateway/admission/terms.py
    "other hours are set by: coati user set alice access-hours=...": "/users/alice/policy#f-access_hours",
    "other hours are set by: coati group set staff access-hours=...": "/groups/staff#f-access_hours",
    "it begins anew by itself; a larger one: coati policy set quota-octets=...": "/policy#f-quota_octets",
    "disconnect one (coati session disconnect), or: coati user set alice simultaneous-sessions=... or "
    "when-too-many=replace": "/users/alice/policy#f-simultaneous_sessions",
    "coati pool add": "/pools/add",
    "coati pool add hq, or name another one there": "/pools/add",
    "give it another network (coati pool set default), or disconnect sessions that are not needed": (
        "/pools/default/change#f-networks"
    ),
    "disconnect that session (coati session disconnect --user alice)": "/sessions?user=alice",
    # appliance/gateway/authentication/client_certificates.py
    "issue another: coati certificate issue": "/certificates",
    "see to it that its authority's CRL or OCSP responder can be reached, or let clients in all the same: "
    "coati ca set NAME --check soft": "/certificates",
}


@pytest.mark.parametrize("remedy", OF_THE_APPLIANCE)
def test_commands_are_found(remedy: str) -> None:
    found = setting(refusal(remedy))
    assert found is not None
    assert found.path == OF_THE_APPLIANCE[remedy]
    assert found.label


@pytest.mark.parametrize("remedy", ["", "Set larger numbers on the client.", "the server's log says more"])
def test_what_is_not_ours_to_set_has_no_button(remedy: str) -> None:
    assert setting(refusal(remedy)) is None


def test_a_name_cannot_lead_elsewhere() -> None:
    found = setting(refusal("coati user enable '../../settings?x#y'"))
    assert found is not None
    assert found.path == "/users/..%2F..%2Fsettings%3Fx%23y"


async def test_each_target_is_a_page_with_that_field(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    async with browser.installation.transaction(Actor("a test")) as work:
        await users.add(work, NewUser(name="alice", password=SecretStr("correct horse battery"), expires_at=now()))
        await groups.add(work, NewGroup(name="staff"))
        await realms.add(work, NewRealm(name="corp", kind=RealmKind.PAM, settings={"service": "login"}))
    paths = {path.replace("/profiles/staff/", "/profiles/default/") for _, path in OF_THE_ENGINE.values() if path}
    for path in sorted(paths | set(OF_THE_APPLIANCE.values())):
        address, _, field = path.partition("#")
        page = await browser.get(address)
        assert page.status_code == 200, path
        if field:
            assert f'id="{field}"' in page.text, path
