"""A second factor moves to another telephone: the seed of the next one, until a code of it was confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("second_factors", schema=None) as batch_op:
        batch_op.add_column(sa.Column("next_seed", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("second_factors", schema=None) as batch_op:
        batch_op.drop_column("next_seed")
