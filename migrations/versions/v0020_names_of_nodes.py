"""What each gateway is known by, for the certificates that they share."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "node_names",
        sa.Column("node", sa.String(length=128), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("node", "purpose", name=op.f("pk_node_names")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("node_names")
