"""``/api/v1/settings``: what may be changed while the appliance runs."""

from typing import Annotated

from fastapi import Query

from appliance.api.dependencies import Noun, Owning, Reading
from appliance.runtime_settings import service
from appliance.runtime_settings.schemas import SettingDefinition, SettingFilter, SettingView
from appliance.schema import Page, Paging

router = Noun("settings")


class _Wanted(SettingFilter, Paging):
    """Filter and page together, as query parameters."""


@router.get("")
async def list_settings(work: Reading, wanted: Annotated[_Wanted, Query()]) -> Page[SettingView]:
    """List settings: what each means, what it accepts, and its default."""
    return await service.page(work, wanted, wanted)


@router.get("/{name}")
async def show_setting(work: Reading, name: str) -> SettingView:
    """Show one setting."""
    return await service.show(work, name)


@router.put("/{name}")
async def define_setting(work: Owning, name: str, wanted: SettingDefinition) -> SettingView:
    """Have a setting so. What is so already changes nothing."""
    return await service.define(work, name, wanted)


@router.delete("/{name}")
async def reset_setting(work: Owning, name: str) -> SettingView:
    """Have a setting at its default."""
    return await service.reset(work, name)
