"""What was said in sessions that ended and by clients that were refused."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TABLES = ("sessions", "refusals")


def upgrade() -> None:
    """Apply."""
    for table in _TABLES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("transcript", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    for table in _TABLES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("transcript")
