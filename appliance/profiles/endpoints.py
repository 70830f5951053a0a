"""``/api/v1/profiles``."""

from fastapi import APIRouter

from appliance.dependencies import Reading, Writing
from appliance.profiles import service
from appliance.profiles.schemas import NewProfile, ProfileChange, ProfileView
from appliance.schema import Page

router = APIRouter(prefix="/profiles", tags=["profiles"])


@router.get("")
async def list_profiles(work: Reading) -> Page[ProfileView]:
    """List profiles in the order in which they are tried."""
    return await service.page(work)


@router.post("", status_code=201)
async def add_profile(work: Writing, new: NewProfile) -> ProfileView:
    """Add a profile."""
    return await service.add(work, new)


@router.get("/{name}")
async def show_profile(work: Reading, name: str) -> ProfileView:
    """Show one profile, without its group key."""
    return await service.show(work, name)


@router.patch("/{name}")
async def change_profile(work: Writing, name: str, change: ProfileChange) -> ProfileView:
    """Change what is given; live sessions keep what they were made with."""
    return await service.change(work, name, change)


@router.delete("/{name}", status_code=204)
async def remove_profile(work: Writing, name: str) -> None:
    """Remove a profile."""
    await service.remove(work, name)
