"""When each browser's administrator last showed who is there."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; who is signed in showed it then."""
    with op.batch_alter_table("sign_ins") as batch_op:
        batch_op.add_column(sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE sign_ins SET proven_at = created_at")
    with op.batch_alter_table("sign_ins") as batch_op:
        batch_op.alter_column("proven_at", existing_type=sa.DateTime(timezone=True), nullable=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("sign_ins") as batch_op:
        batch_op.drop_column("proven_at")
