"""What a gateway that is started again needs to go on with its clients."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "stored_stays",
        sa.Column("node", sa.String(length=128), nullable=False),
        sa.Column("peer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("node", "peer_id", name=op.f("pk_stored_stays")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("stored_stays")
