"""Signing in by hand, on the page that asks who is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def sign_in(page: Page, password: str, *, name: str = "admin") -> None:
    page.get_by_label("Administrator").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
