"""Backups whose passphrases cost little; ``test_archive.py`` is about what they cost."""

import pytest

from appliance.backups import archive


@pytest.fixture
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least that a backup may ask for."""
    monkeypatch.setattr(archive, "_COST", 1 << 14)
