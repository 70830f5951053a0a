"""The rules of API tokens: ``coati_<handle>_<secret><checksum>``.

The checksum lets a scanner for leaked secrets (and us, before any query) tell a token from chance.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from datetime import timedelta
from typing import Final

from appliance.audit import service as audit
from appliance.errors import AlreadyExists, NotFound
from appliance.installation import Actor, Installation, Transaction
from appliance.models import Token
from appliance.models.columns import now
from appliance.schema import EVERYTHING, Page, Paging
from appliance.system.schemas import Problem
from appliance.tokens import repository
from appliance.tokens.schemas import CreatedToken, NewToken, TokenFilter, TokenView

_FORM: Final = re.compile(r"coati_([0-9a-f]{12})_([0-9a-f]{64})([0-9a-f]{8})\Z")
_USED_EVERY: Final = timedelta(minutes=1)
_SOON: Final = timedelta(days=14)


async def page(work: Transaction, wanted: TokenFilter = TokenFilter(), paging: Paging = EVERYTHING) -> Page[TokenView]:
    """List tokens, by themselves by name."""
    rows, total = await repository.page(work.session, wanted, paging)
    return Page(items=[TokenView.model_validate(row) for row in rows], total=total)


async def create(work: Transaction, new: NewToken) -> CreatedToken:
    """Make a token; only here is its secret given.

    Raises:
        AlreadyExists: the name is taken.
    """
    if await repository.find(work.session, new.name) is not None:
        raise AlreadyExists(f"there is a token {new.name} already", field="name")
    handle, secret = secrets.token_hex(6), secrets.token_hex(32)
    row = Token(
        handle=handle,
        name=new.name,
        secret_hash=_hash(secret),
        scopes=tuple(scope.value for scope in new.scopes),
        created_by=work.actor.who,
        expires_at=None if new.days is None else now() + timedelta(days=new.days),
    )
    work.session.add(row)
    await work.session.flush()
    view = TokenView.model_validate(row)
    audit.record(work, "token.create", new.name, after=view)
    return CreatedToken(**view.model_dump(), token=f"coati_{handle}_{secret}{_checksum(handle, secret)}")


async def show(work: Transaction, name: str) -> TokenView:
    """Show one token, without its secret.

    Raises:
        NotFound: there is no such token.
    """
    return TokenView.model_validate(await _find(work, name))


async def revoke(work: Transaction, name: str) -> TokenView:
    """Make a token useless at once; its row stays on record.

    Raises:
        NotFound: there is no such token.
    """
    row = await _find(work, name)
    if row.revoked_at is None:
        before = TokenView.model_validate(row)
        row.revoked_at = now()
        audit.record(work, "token.revoke", row.name, before=before, after=TokenView.model_validate(row))
    return TokenView.model_validate(row)


async def problems(work: Transaction) -> list[Problem]:
    """Give the tokens that expire in a fortnight, for the status: what uses them would stop working."""
    at = now()
    return [
        Problem(
            what=f"token {row.name} expires on {row.expires_at:%Y-%m-%d}"
            + (f"; last used {row.used_at:%Y-%m-%d} from {row.used_from}" if row.used_at else "; it was never used"),
            remedy="give what uses it a new one (coati token create NAME), then: coati token revoke " + row.name,
        )
        for row in await repository.expiring(work.session, at, at + _SOON)
    ]


async def recognise(installation: Installation, text: str, source: str = "") -> TokenView | None:
    """Give the token whose secret this is, or ``None`` when it is no good (any more).

    Args:
        installation: Where.
        text: What was sent.
        source: Network address that it came from.
    """
    form = _FORM.match(text)
    if form is None or form[3] != _checksum(form[1], form[2]):
        return None
    async with installation.snapshot() as work:
        row = await repository.find_by_handle(work.session, form[1])
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(form[2])):
        return None
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at < now()):
        return None
    if row.used_at is None or now() - row.used_at > _USED_EVERY:
        async with installation.transaction(Actor(f"token {row.name}", source)) as work:
            used = await work.session.get_one(Token, row.id)
            used.used_at, used.used_from = now(), source
    return TokenView.model_validate(row)


async def _find(work: Transaction, name: str) -> Token:
    row = await repository.find(work.session, name.strip().lower())
    if row is None:
        raise NotFound(f"there is no token {name}")
    return row


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(handle: str, secret: str) -> str:
    return f"{zlib.crc32(f'{handle}_{secret}'.encode()):08x}"
