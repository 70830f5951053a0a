"""Samples for charts, and how fast sessions go."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "samples",
        sa.Column("id", number, nullable=False),
        sa.Column("node", sa.String(length=128), nullable=False),
        sa.Column("minute", number, nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("octets_in", number, nullable=False),
        sa.Column("octets_out", number, nullable=False),
        sa.Column("logins", sa.Integer(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
    )
    op.create_index(op.f("ix_samples_minute"), "samples", ["minute"])
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("rate_in", sa.Double(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("rate_out", sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_column("rate_out")
        batch_op.drop_column("rate_in")
    op.drop_index(op.f("ix_samples_minute"), table_name="samples")
    op.drop_table("samples")
