"""One-time links: a profile for somebody who is not signed in anywhere, once, for some hours.

What stands in the link is kept as its hash only. To look at the link uses nothing up: mail programs and messengers look
at every link that passes them. Only what a person asks for then (POST) does.
"""

import hashlib
import io
import secrets
from datetime import timedelta
from typing import Final

import segno

from appliance.audit import service as audit
from appliance.client_profiles import repository, service
from appliance.client_profiles.schemas import LinkFilter, LinkView, MadeLink, NewLink, Wanted
from appliance.client_profiles.service import Download
from appliance.client_profiles.target import ClientFormat
from appliance.errors import NotFound
from appliance.installation import Actor, Installation, Transaction
from appliance.models import DownloadLink
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging

_TOKEN_OCTETS: Final = 24
_KEPT: Final = timedelta(days=90)


async def make(work: Transaction, new: NewLink) -> MadeLink:
    """Make a link; what it is, is told this once.

    Raises:
        Invalid: the client cannot come in by this profile.
        NotFound: there is no such profile.
    """
    wanted = Wanted(user=new.user, profile=new.profile, format=new.format)
    await service.write(work, wanted, with_secrets=False)  # what cannot be written must not be promised
    await repository.remove_older(work.session, now() - _KEPT)
    token = secrets.token_urlsafe(_TOKEN_OCTETS)
    row = DownloadLink(
        token_hash=_hash(token),
        user=new.user,
        profile=new.profile,
        format=new.format.value,
        with_secrets=new.with_secrets,
        created_by=work.actor.who,
        expires_at=now() + timedelta(hours=new.hours),
    )
    work.session.add(row)
    await work.session.flush()
    view = _view(row)
    audit.record(work, "download-link.make", new.user, after=view)
    path = f"/get/{token}"
    settings = work.installation.settings
    url = f"https://{settings.public_name}:{settings.listen.port}{path}" if settings.public_name else ""
    return MadeLink(**view.model_dump(), path=path, url=url)


async def page(work: Transaction, wanted: LinkFilter = LinkFilter(), paging: Paging = EVERYTHING) -> Page[LinkView]:
    """List links, the latest first."""
    rows, total = await repository.page(work.session, wanted, paging, now())
    return Page(items=[_view(row) for row in rows], total=total)


async def remove(work: Transaction, link_id: int) -> None:
    """Have a link give nothing any more.

    Raises:
        NotFound: there is no such link.
    """
    row = await repository.find(work.session, link_id)
    if row is None:
        raise NotFound(f"there is no link {link_id}")
    before = _view(row)
    work.expect(before)
    audit.record(work, "download-link.remove", row.user, before=before)
    await work.session.delete(row)


async def show(work: Transaction, token: str) -> LinkView:
    """Tell what a link would give; it stays usable.

    Raises:
        NotFound: it gives nothing (any more), whatever the reason.
    """
    return _view(await _usable(work, token))


async def use(installation: Installation, token: str, source: str) -> Download:
    """Give what the link is for, and use it up.

    Raises:
        NotFound: it gives nothing (any more), whatever the reason.
    """
    async with installation.transaction(Actor("download link", source)) as work:
        row = await _usable(work, token, lock=True)
        before = _view(row)
        row.used_at = now()
        row.used_from = source
        wanted = Wanted(user=row.user, profile=row.profile, format=ClientFormat(row.format))
        given = await service.download(work, wanted, with_secrets=row.with_secrets)
        await work.session.flush()
        audit.record(work, "download-link.use", row.user, before=before, after=_view(row))
    return given


def qr_svg(url: str) -> str:
    """Give a link as a QR code: an SVG without inline style."""
    svg: str = segno.make(url, error="m").svg_inline(scale=4, border=2, svgclass="qr", lineclass=None, omitsize=False)
    return svg


def qr_text(url: str) -> str:
    """Give a link as a QR code for a terminal."""
    drawn = io.StringIO()
    segno.make(url, error="l").terminal(drawn, compact=True)
    return drawn.getvalue()


async def _usable(work: Transaction, token: str, *, lock: bool = False) -> DownloadLink:
    row = await repository.by_hash(work.session, _hash(token), lock=lock)
    if row is None or row.used_at is not None or row.expires_at <= now():
        raise NotFound(
            "this link has been used, has expired, or never was one", remedy="ask your administrator for a new one"
        )
    return row


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _view(row: DownloadLink) -> LinkView:
    return LinkView(
        id=row.id,
        user=row.user,
        profile=row.profile,
        format=ClientFormat(row.format),
        with_secrets=row.with_secrets,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        used_from=row.used_from,
    )
