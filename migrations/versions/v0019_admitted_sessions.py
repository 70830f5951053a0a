"""Who was admitted among no more than so many sessions, over all gateways."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "admitted_sessions",
        sa.Column("node", sa.String(length=128), nullable=False),
        sa.Column("peer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("user", sa.String(length=128), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leaving", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("node", "peer_id", name=op.f("pk_admitted_sessions")),
    )
    with op.batch_alter_table("admitted_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_admitted_sessions_user"), ["user"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("admitted_sessions")
