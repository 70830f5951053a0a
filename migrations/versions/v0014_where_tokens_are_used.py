"""Where a token was used last."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("tokens") as batch_op:
        batch_op.add_column(sa.Column("used_from", sa.String(length=128), nullable=False, server_default=""))
    with op.batch_alter_table("tokens") as batch_op:
        batch_op.alter_column("used_from", existing_type=sa.String(length=128), server_default=None)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("tokens") as batch_op:
        batch_op.drop_column("used_from")
