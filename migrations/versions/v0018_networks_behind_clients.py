"""Networks behind clients, packets that were blocked, and which realm refused."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("networks", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("packets_blocked", _NUMBER, nullable=False, server_default="0"))
    with op.batch_alter_table("refusals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("realm", sa.String(length=128), nullable=False, server_default=""))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("refusals", schema=None) as batch_op:
        batch_op.drop_column("realm")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_column("packets_blocked")
        batch_op.drop_column("networks")
