"""An administrator who signs in by the form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2


async def sign_in(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/sign-in", data={"name": "admin", "password": browser.first_password})
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"]
    for word in ("__Host-coati=", "Secure", "HttpOnly", "SameSite=strict", "Path=/"):
        assert word.lower() in cookie.lower()
    assert "max-age" not in cookie.lower()
