"""Runtime settings: typed, explained, obeyed, and at their default again."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from appliance.audit import service as audit
from appliance.errors import Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import Setting
from appliance.runtime_settings import service
from appliance.runtime_settings.schemas import RuntimeSettings, SettingDefinition, SettingFilter


async def test_every_setting_is_explained_and_has_a_default(work: Transaction) -> None:
    page = await service.page(work)
    assert page.total == len(RuntimeSettings.model_fields)
    assert all(each.description.endswith(".") and each.value == each.default and each.accepts for each in page.items)
    assert [each.name for each in (await service.page(work, SettingFilter(text="AUDIT"))).items] == ["audit_days"]


async def test_a_setting_is_changed_and_reset(work: Transaction) -> None:
    changed = await service.define(work, "panel_idle_minutes", SettingDefinition(value=15))
    assert (changed.value, changed.default) == (15, 60)
    assert (await service.current(work.session)).panel_idle.total_seconds() == 900
    await service.define(work, "panel_idle_minutes", SettingDefinition(value=15))
    again = await service.reset(work, "panel_idle_minutes")
    assert (again.value, again.changed_at) == (60, None)
    assert await service.current(work.session) == RuntimeSettings()
    await work.session.flush()
    assert [each.deed for each in (await audit.page(work)).items] == ["setting.change"] * 2


async def test_what_is_no_value_is_refused(work: Transaction) -> None:
    for name, value in (("session_days", 0), ("log_level", "loud"), ("panel_notice", 7), ("audit_days", "soon")):
        with pytest.raises(ValidationError, match=name):
            await service.define(work, name, SettingDefinition(value=value))
    with pytest.raises(NotFound, match="colour"):
        await service.define(work, "colour", SettingDefinition(value="red"))


async def test_a_directory_that_cannot_be_written_is_refused_with_what_to_do(work: Transaction, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"cannot write in .*: No such file or directory") as refused:
        await service.define(work, "backup_directory", SettingDefinition(value=str(tmp_path / "gone")))
    assert refused.value.field == "backup_directory"
    assert refused.value.remedy
    (tmp_path / "there").mkdir()
    await service.define(work, "backup_directory", SettingDefinition(value=str(tmp_path / "there")))
    (tmp_path / "there").rmdir()
    # What is so already is not looked at again: a definition of everything can be given as it is.
    await service.define(work, "backup_directory", SettingDefinition(value=str(tmp_path / "there")))
    await service.reset(work, "backup_directory")


async def test_a_value_that_is_accepted_no_more_is_the_default(work: Transaction) -> None:
    work.session.add(Setting(name="session_days", value="a while"))
    await work.session.flush()
    assert (await service.current(work.session)).session_days == 365
