"""The rules of client profiles: what fits a user and a connection profile, and who is given secrets."""

import asyncio
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from appliance.audit import service as audit
from appliance.certificates import files, records
from appliance.certificates import repository as certificates
from appliance.certificates import service as certificates_service
from appliance.client_profiles.formats import FORMATS, instructions, mobileconfig
from appliance.client_profiles.schemas import Choice, ExportView, Wanted
from appliance.client_profiles.target import (
    ClientFile,
    ClientFormat,
    Offered,
    Target,
    UserCertificate,
    agree,
)
from appliance.errors import ApplianceError, Invalid, NotFound
from appliance.installation import Transaction
from appliance.models import CertificatePurpose, Pool, Profile
from appliance.models.columns import now
from appliance.pools import repository as pools
from appliance.profiles import presets
from appliance.profiles import repository as profiles
from appliance.profiles.service import KEY_PURPOSE as GROUP_KEY
from ike_engine.crypto.suites import DhGroup
from ike_engine.policy import Authentication, Phase1Mode
from ike_engine.secret import Secret

_MEDIA_TYPES: Final = {
    "mobileconfig": "application/x-apple-aspen-config",
    "txt": "text/plain; charset=utf-8",
    "pem": "application/x-pem-file",
}
_ARCHIVE: Final = "application/gzip"
_ANY_FILE: Final = "application/octet-stream"
MEDIA_TYPES: Final = (_ANY_FILE, _ARCHIVE, *_MEDIA_TYPES.values())
"""What a file that is handed out may be."""


@dataclass(frozen=True, slots=True)
class Download:
    """What is handed out: one file, or several in one archive that is unpacked at ``/``."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


async def choices(work: Transaction, user: str, profile: str) -> list[Choice]:
    """Tell for every format whether it can serve this user by this profile, and if not, why.

    Raises:
        NotFound: there is no such profile.
    """
    row = await _profile(work, profile)
    has_certificate = bool(await certificates.good_of_user(work.session, user.strip().lower(), now()))
    found = []
    for name, form in FORMATS.items():
        why_not = remedy = ""
        try:
            agree(_offered(row), form.client, has_certificate=has_certificate)
        except Invalid as error:
            why_not, remedy = str(error), error.remedy
        found.append(Choice(format=name, client=form.client.name, possible=not why_not, why_not=why_not, remedy=remedy))
    return found


async def write(work: Transaction, wanted: Wanted, *, with_secrets: bool) -> list[ClientFile]:
    """Write the files for one user. What has secrets in it is written down.

    Args:
        work: The transaction; one that may write if secrets are asked for.
        wanted: For whom, by which profile, for which client.
        with_secrets: The group key, and the private key of the user's certificate.

    Raises:
        Invalid: the client cannot come in by this profile; says what would let it.
        NotFound: there is no such profile.
    """
    target = await _target(work, wanted, with_secrets=with_secrets)
    written = await asyncio.to_thread(FORMATS[wanted.format].write, target)
    if wanted.format is ClientFormat.MOBILECONFIG:
        certificate, key, chain = await certificates_service.signing_credentials(work)
        content = await asyncio.to_thread(mobileconfig.signed, written[0].content, certificate, key, chain)
        written = [ClientFile(written[0].path, content, secret=True)]
    if with_secrets:
        shown = ExportView(user=wanted.user, profile=wanted.profile, format=wanted.format, with_secrets=True)
        audit.record(work, "client-profile.export", wanted.user, after=shown)
    return written


async def download(work: Transaction, wanted: Wanted, *, with_secrets: bool) -> Download:
    """Give the files as one: itself if it is alone, else an archive. As ``write`` otherwise."""
    written = await write(work, wanted, with_secrets=with_secrets)
    first = written[0]
    name = first.path.rpartition("/")[2]
    if len(written) == 1 and not first.path.startswith("/"):
        return Download(name, _MEDIA_TYPES.get(name.rpartition(".")[2], _ANY_FILE), first.content)
    stem = name.rpartition(".")[0]
    return Download(f"{stem}-{wanted.format.value}.tar.gz", _ARCHIVE, archive(written))


async def manual(work: Transaction, user: str, profile: str, *, with_secrets: bool) -> list[tuple[str, str]]:
    """Give what a person types into a client by hand, as pairs.

    Raises:
        NotFound: there is no such profile.
    """
    wanted = Wanted(user=user, profile=profile, format=ClientFormat.INSTRUCTIONS)
    return instructions.settings(await _target(work, wanted, with_secrets=with_secrets))


def archive(written: Sequence[ClientFile]) -> bytes:
    """Pack files so that ``tar -C / -xzf`` puts them where they belong, readable by whom they should be."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for each in written:
            entry = tarfile.TarInfo(each.path.lstrip("/"))
            entry.size = len(each.content)
            entry.mode = 0o600 if each.secret else 0o644
            entry.mtime = int(now().timestamp())
            tar.addfile(entry, io.BytesIO(each.content))
    return packed.getvalue()


async def _target(work: Transaction, wanted: Wanted, *, with_secrets: bool) -> Target:
    row = await _profile(work, wanted.profile)
    if not row.enabled:
        raise Invalid(
            f"profile {row.name} is switched off", field="profile", remedy=f"coati profile set {row.name} --enable"
        )
    own = await certificates.good_of_user(work.session, wanted.user, now())
    agreed = agree(_offered(row), FORMATS[wanted.format].client, has_certificate=bool(own))
    gateway = await certificates_service.find(work, CertificatePurpose.GATEWAY)
    if not gateway.names:
        raise Invalid("the gateway's certificate has no name that clients could check")
    certificate = None
    if agreed.method is Authentication.XAUTH_RSA:
        key = records.open_key(work, own[0]) if with_secrets and own[0].private_key is not None else None
        chain = tuple(await records.chain_above(work, own[0]))
        certificate = UserCertificate(records.load(own[0]), chain, key)
    return Target(
        user=wanted.user,
        name=row.name,
        title=f"{row.name} at {gateway.names[0]}",
        gateway=gateway.names[0],
        method=agreed.method,
        mode=agreed.mode,
        group=agreed.group,
        group_key=_group_key(work, row) if with_secrets and agreed.method is Authentication.XAUTH_PSK else None,
        root=_root(await certificates_service.client_trust(work)),
        certificate=certificate,
        ike=agreed.ike,
        esp=agreed.esp,
        pfs=agreed.pfs,
        networks=tuple(map(str, pool.split_include)) if (pool := await _pool(work, row)) is not None else (),
    )


def _root(pem: str) -> x509.Certificate:
    return files.from_pem(pem)[0]


def _group_key(work: Transaction, row: Profile) -> Secret | None:
    if row.pre_shared_key is None:
        return None
    key = work.installation.master_key.open(row.pre_shared_key, GROUP_KEY)
    if any(octet < 0x20 for octet in key):
        raise ApplianceError(f"the group key of profile {row.name} has control characters, which no file can hold")
    return key


def _offered(row: Profile) -> Offered:
    groups = {group.keyword: group for group in DhGroup}
    return Offered(
        profile=row.name,
        methods=frozenset(Authentication(word) for word in row.authentication),
        modes=frozenset(Phase1Mode(word) for word in row.modes),
        group_names=row.group_names,
        ike=presets.ike_proposals(row),
        esp=presets.esp_proposals(row),
        pfs_groups=tuple(groups[word] for word in row.pfs_groups) or tuple(DhGroup),
        require_pfs=row.require_pfs,
    )


async def _profile(work: Transaction, name: str) -> Profile:
    row = await profiles.find(work.session, name.strip().lower())
    if row is None:
        raise NotFound(f"there is no profile {name}", field="profile")
    return row


async def _pool(work: Transaction, row: Profile) -> Pool | None:
    every = await pools.all_pools(work.session)
    return next((pool for pool in every if row.pool_id in (pool.id, None)), None)
