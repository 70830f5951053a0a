"""Queries on certificates, authorities and requests."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from appliance.certificates.schemas import CertificateFilter, CertificateState
from appliance.models import Authority, Certificate, CertificatePurpose, CertificateRequest, NodeNames
from appliance.schema import Paging

# ---- certificates ------------------------------------------------------------------------------------


async def in_use(session: AsyncSession, purpose: CertificatePurpose) -> Certificate | None:
    """Give the certificate that now serves this purpose; of authorities, that of the one that issues."""
    query = select(Certificate).where(Certificate.purpose == purpose, Certificate.retired_at.is_(None))
    if purpose is CertificatePurpose.AUTHORITY:
        query = query.join(Authority, Authority.id == Certificate.authority_id).where(Authority.issues)
    found: Certificate | None = await session.scalar(query.order_by(Certificate.id.desc()).limit(1))
    return found


async def find(session: AsyncSession, certificate_id: int) -> Certificate | None:
    """Give one certificate."""
    return await session.get(Certificate, certificate_id)


async def any_with_private_key(session: AsyncSession) -> Certificate | None:
    """Give one whose private key is here, whichever."""
    found: Certificate | None = await session.scalar(
        select(Certificate).where(Certificate.private_key.is_not(None)).limit(1)
    )
    return found


async def by_fingerprint(session: AsyncSession, fingerprint: str) -> Certificate | None:
    """Give the certificate with this fingerprint."""
    found: Certificate | None = await session.scalar(select(Certificate).where(Certificate.fingerprint == fingerprint))
    return found


async def page(
    session: AsyncSession, wanted: CertificateFilter, paging: Paging, at: datetime
) -> tuple[Sequence[Certificate], int]:
    """Give certificates, those in use first, and how many there are."""
    matches = []
    if wanted.purpose is not None:
        matches.append(Certificate.purpose == wanted.purpose)
    if wanted.owner:
        matches.append(Certificate.owner == wanted.owner)
    if wanted.text:
        # A JSON list of text is text that holds the text.
        searched = (Certificate.subject, Certificate.serial_number, cast(Certificate.names, String))
        matches.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in searched)))
    revoked, retired = Certificate.revoked_at.is_not(None), Certificate.retired_at.is_not(None)
    expired = Certificate.not_after <= at
    match wanted.state:
        case CertificateState.REVOKED:
            matches.append(revoked)
        case CertificateState.EXPIRED:
            matches += [~revoked, expired]
        case CertificateState.RETIRED:
            matches += [~revoked, ~expired, retired]
        case CertificateState.GOOD:
            matches += [~revoked, ~expired, ~retired]
    rows = await session.scalars(
        select(Certificate)
        .where(*matches)
        .order_by(or_(retired, revoked), Certificate.id)
        .limit(paging.limit)
        .offset(paging.offset)
    )
    total = await session.scalar(select(func.count()).select_from(Certificate).where(*matches)) or 0
    return rows.all(), total


async def good_of_user(session: AsyncSession, login: str, at: datetime) -> Sequence[Certificate]:
    """Give the certificates that a user can prove himself by, the latest first."""
    return (
        await session.scalars(
            select(Certificate)
            .where(
                Certificate.purpose == CertificatePurpose.USER,
                Certificate.owner == login,
                Certificate.retired_at.is_(None),
                Certificate.revoked_at.is_(None),
                Certificate.not_after > at,
            )
            .order_by(Certificate.id.desc())
        )
    ).all()


async def expiring(session: AsyncSession, before: datetime) -> Sequence[Certificate]:
    """Give the certificates in use that will be good no longer by then, the first to expire first."""
    return (
        await session.scalars(
            select(Certificate)
            .where(Certificate.retired_at.is_(None), Certificate.revoked_at.is_(None), Certificate.not_after < before)
            .order_by(Certificate.not_after)
        )
    ).all()


async def note_names(
    session: AsyncSession, node: str, purpose: CertificatePurpose, names: Sequence[str], at: datetime
) -> None:
    """Keep what a machine is known by now."""
    await session.merge(NodeNames(node=node, purpose=purpose, names=tuple(names), seen_at=at))
    await session.flush()


async def names_of_nodes(session: AsyncSession, purpose: CertificatePurpose, since: datetime) -> list[str]:
    """Give what all machines are known by that were here since then, by machine."""
    rows = await session.scalars(
        select(NodeNames).where(NodeNames.purpose == purpose, NodeNames.seen_at > since).order_by(NodeNames.node)
    )
    return [name for row in rows for name in row.names]


# ---- authorities -------------------------------------------------------------------------------------


async def find_authority(session: AsyncSession, name: str, *, lock: bool = False) -> Authority | None:
    """Give one authority by name; ``lock`` holds back others that would change it too."""
    query = select(Authority).where(Authority.name == name)
    found: Authority | None = await session.scalar(query.with_for_update() if lock else query)
    return found


async def issuer(session: AsyncSession) -> Authority | None:
    """Give the authority that issues."""
    found: Authority | None = await session.scalar(select(Authority).where(Authority.issues).limit(1))
    return found


async def all_authorities(session: AsyncSession) -> Sequence[Authority]:
    """Give all authorities, the one that issues first."""
    return (await session.scalars(select(Authority).order_by(Authority.issues.desc(), Authority.name))).all()


async def certificate_of(session: AsyncSession, authority_id: int) -> Certificate | None:
    """Give an authority's present certificate."""
    found: Certificate | None = await session.scalar(
        select(Certificate)
        .where(
            Certificate.purpose == CertificatePurpose.AUTHORITY,
            Certificate.authority_id == authority_id,
            Certificate.retired_at.is_(None),
        )
        .order_by(Certificate.id.desc())
        .limit(1)
    )
    return found


async def certificates_of(session: AsyncSession, authority_id: int) -> Sequence[Certificate]:
    """Give an authority's own certificates, the retired ones too."""
    return (
        await session.scalars(
            select(Certificate).where(
                Certificate.authority_id == authority_id, Certificate.purpose == CertificatePurpose.AUTHORITY
            )
        )
    ).all()


async def issued_by(session: AsyncSession, authority_id: int) -> Sequence[Certificate]:
    """Give what an authority issued, its own certificates left out."""
    return (
        await session.scalars(
            select(Certificate)
            .where(Certificate.authority_id == authority_id, Certificate.purpose != CertificatePurpose.AUTHORITY)
            .order_by(Certificate.id)
        )
    ).all()


# ---- requests ----------------------------------------------------------------------------------------


async def find_request(session: AsyncSession, request_id: int) -> CertificateRequest | None:
    """Give one request."""
    return await session.get(CertificateRequest, request_id)


async def all_requests(session: AsyncSession) -> Sequence[CertificateRequest]:
    """Give all requests, the oldest first."""
    return (await session.scalars(select(CertificateRequest).order_by(CertificateRequest.id))).all()
