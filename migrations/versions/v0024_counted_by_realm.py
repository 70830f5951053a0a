"""Quotas and simultaneous sessions are counted by realm and user: namesakes of two realms are two people.

What was counted by name alone goes to the realm that let a user of this name in last, else to the local one.
"""

from collections import Counter

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TRANSFERS = sa.table(
    "transfers", sa.column("realm"), sa.column("user"), sa.column("day", sa.Date()), sa.column("octets")
)
_ADMITTED = sa.table("admitted_sessions", sa.column("realm"), sa.column("user"))
_SESSIONS = sa.table("sessions", sa.column("id"), sa.column("user"), sa.column("realm"))
_REALMS = sa.table("realms", sa.column("name"), sa.column("kind"))


def _realm_of(user: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    of_the_name = sa.select(_SESSIONS.c.realm).where(_SESSIONS.c.user == user, _SESSIONS.c.realm != "")
    latest = of_the_name.order_by(_SESSIONS.c.id.desc()).limit(1).scalar_subquery()
    local = sa.select(_REALMS.c.name).where(_REALMS.c.kind == "local").limit(1).scalar_subquery()
    return sa.func.coalesce(latest, local, "")


def upgrade() -> None:
    """Apply."""
    user, day, octets = _TRANSFERS.c.user, _TRANSFERS.c.day, _TRANSFERS.c.octets
    before = op.get_bind().execute(sa.select(_realm_of(user), user, day, octets)).all()
    op.drop_table("transfers")
    _create_transfers("realm")
    counted: Counter[tuple[object, ...]] = Counter()
    for realm, name, when, number in before:
        counted[realm, name.lower(), when] += number
    op.bulk_insert(
        _TRANSFERS,
        [dict(zip(("realm", "user", "day", "octets"), (*key, number), strict=True)) for key, number in counted.items()],
    )

    with op.batch_alter_table("admitted_sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("realm", sa.String(length=128), nullable=False, server_default=""))
    admitted = _ADMITTED.c.user
    op.execute(sa.update(_ADMITTED).values(realm=_realm_of(admitted), user=sa.func.lower(admitted)))
    with op.batch_alter_table("admitted_sessions", schema=None) as batch_op:
        batch_op.alter_column("realm", server_default=None)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("admitted_sessions", schema=None) as batch_op:
        batch_op.drop_column("realm")
    user, day = _TRANSFERS.c.user, _TRANSFERS.c.day
    counted = sa.select(user, day, sa.func.sum(_TRANSFERS.c.octets)).group_by(user, day)
    rows = op.get_bind().execute(counted).all()
    op.drop_table("transfers")
    _create_transfers()
    op.bulk_insert(_TRANSFERS, [dict(zip(("user", "day", "octets"), row, strict=True)) for row in rows])


def _create_transfers(*realm: str) -> None:
    op.create_table(
        "transfers",
        *(sa.Column(name, sa.String(length=128), nullable=False) for name in (*realm, "user")),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("octets", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint(*realm, "user", "day", name=op.f("pk_transfers")),
    )
    with op.batch_alter_table("transfers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_transfers_day"), ["day"], unique=False)
