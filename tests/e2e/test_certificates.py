"""An administrator issues, hands out and revokes certificates, and takes in an authority, with a script and without."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from playwright.sync_api import expect

from appliance.certificates import issuing
from appliance.certificates.issuing import KeyKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.e2e.appliance import Appliance

PASSPHRASE = "a passphrase for files"


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
def test_a_users_certificate_and_an_outside_authority(
    furnished: Appliance,  # noqa: ARG001
    open_page: Callable[..., Page],
    script: bool,
) -> None:
    page = open_page("/certificates", java_script_enabled=script)
    page.get_by_role("link", name="Issue", exact=True).click()
    page.get_by_label("Login of the user").fill("alice")
    page.get_by_role("button", name="Issue").click()
    expect(page.locator("#note")).to_have_text("The certificate of alice was issued.")
    page.get_by_label("Passphrase", exact=True).fill(PASSPHRASE)
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    opened = pkcs12.load_pkcs12(started.value.path().read_bytes(), PASSPHRASE.encode())
    assert opened.key is not None
    page.get_by_role("link", name="Revoke").click()
    page.get_by_label("Why").select_option(label="the owner may not come in any more")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("It was revoked")).to_be_visible()

    name = f"corporate-{datetime.now(UTC):%H%M%S}-{int(script)}"
    page.goto("/certificates/authorities")
    page.get_by_role("link", name="Import one").click()
    page.get_by_label("Name", exact=True).fill(name)
    root = issuing.make_authority(datetime.now(UTC), common_name=name, kind=KeyKind.RSA_2048, days=900)
    pem = root.certificate.public_bytes(Encoding.PEM)
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "root.pem", "mimeType": "application/x-pem-file", "buffer": pem}
    )
    page.get_by_label("Was a client's certificate revoked?").select_option(label="do not ask")
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#note")).to_have_text(f"Authority {name} was imported.")
    page.get_by_role("link", name="Forget").click()
    page.get_by_label(f"Type {name} to confirm").fill(name)
    page.get_by_role("button", name="Forget").click()
    expect(page.locator("#note")).to_have_text(f"Authority {name} is forgotten.")
