"""What makes a new installation work at once: authority, pool, profile, administrator.

Each is made only where there is none of its kind at all, so that whoever removes one is not given it
again while others stand.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from appliance.administrators import service as administrators
from appliance.certificates import records
from appliance.certificates import service as certificates
from appliance.certificates.schemas import CertificateView
from appliance.installation import Actor, Installation, Transaction
from appliance.models import Preset
from appliance.pools import service as pools
from appliance.pools.schemas import NewPool
from appliance.profiles import service as profiles
from appliance.profiles.schemas import NewProfile
from appliance.realms import service as realms

FIRST_START: Final = Actor("first start")
_CANDIDATES: Final = tuple(
    IPv4Network(text) for text in ("10.99.0.0/24", "10.199.0.0/24", "172.29.99.0/24", "192.168.219.0/24")
)
_ROUTES: Final = Path("/proc/net/route")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made.

    Attributes:
        administrator_password: Of ``admin``, if it was made: to be shown this once.
        certificates: The new ones.
    """

    administrator_password: SecretStr | None
    certificates: list[CertificateView]


async def ensure(installation: Installation) -> Prepared:
    """Make what a working appliance needs and this one lacks.

    Raises:
        Invalid: the database belongs to another master key.
    """
    async with installation.transaction(FIRST_START) as work:
        await records.expect_master_key(work)
        await _ensure_pool(work)
        issued = await certificates.ensure(work)
        await realms.ensure_local(work)
        await _ensure_profile(work)
    async with installation.transaction(FIRST_START) as work:
        return Prepared(await administrators.ensure_first(work), issued)


async def _ensure_pool(work: Transaction) -> None:
    if (await pools.page(work)).total:
        return
    here = _routed_networks()
    network = next((each for each in _CANDIDATES if not any(each.overlaps(own) for own in here)), _CANDIDATES[0])
    await pools.add(work, NewPool(name="default", networks=(network,)))


async def _ensure_profile(work: Transaction) -> None:
    """Hybrid authentication for anyone: the gateway shows its certificate, the user types a password."""
    if (await profiles.page(work)).total:
        return
    await profiles.add(work, NewProfile(name="default", preset=Preset.COMPATIBLE))


def _routed_networks() -> list[IPv4Network]:
    """Give the networks that this machine has routes to, but for the default route."""
    try:
        lines = _ROUTES.read_text("ascii").splitlines()[1:]
    except OSError:
        return []
    networks = []
    for line in lines:
        destination, mask = (IPv4Address(int(line.split()[column], 16).to_bytes(4, "little")) for column in (1, 7))
        if int(mask):
            networks.append(IPv4Network((destination, str(mask)), strict=False))
    return networks
