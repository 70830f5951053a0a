"""The history of logins, second factors, and throttles that gateways follow."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "events",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("node", sa.String(length=128), nullable=False),
        sa.Column("peer_id", _NUMBER, nullable=True),
        sa.Column("user", sa.String(length=128), nullable=False),
        sa.Column("realm", sa.String(length=128), nullable=False),
        sa.Column("profile", sa.String(length=128), nullable=False),
        sa.Column("peer_address", sa.String(length=128), nullable=False),
        sa.Column("peer_port", sa.Integer(), nullable=False),
        sa.Column("virtual_ip", sa.String(length=128), nullable=True),
        sa.Column("client_software", sa.String(length=512), nullable=False),
        sa.Column("octets_in", _NUMBER, nullable=False),
        sa.Column("octets_out", _NUMBER, nullable=False),
        sa.Column("began_at", _MOMENT, nullable=True),
        sa.Column("cause", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_at"), ["at"], unique=False)
        batch_op.create_index("ix_events_user", ["user", "at"], unique=False)
        batch_op.create_index("ix_events_peer", ["node", "peer_id"], unique=False)

    op.create_table(
        "second_factors",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("realm", sa.String(length=128), nullable=False),
        sa.Column("user", sa.String(length=128), nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("confirmed_at", _MOMENT, nullable=True),
        sa.Column("last_step", _NUMBER, nullable=False),
        sa.Column("recovery_codes", sa.JSON(), nullable=False),
        sa.Column("used_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_factors")),
        sa.UniqueConstraint("realm", "user", name=op.f("uq_second_factors_realm_user")),
    )

    with op.batch_alter_table("throttles", schema=None) as batch_op:
        batch_op.add_column(sa.Column("changed_at", _MOMENT, nullable=False, server_default="1970-01-01 00:00:00"))
        batch_op.create_index(batch_op.f("ix_throttles_changed_at"), ["changed_at"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("throttles", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_throttles_changed_at"))
        batch_op.drop_column("changed_at")
    op.drop_table("second_factors")
    op.drop_table("events")
