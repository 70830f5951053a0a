"""Users of every realm sign in on the portal; gateways publish keys that passwords in commands are sealed to."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply; whoever is signed in on the portal signs in again."""
    op.execute("DELETE FROM portal_sign_ins")
    with op.batch_alter_table("portal_sign_ins") as batch_op:
        batch_op.alter_column("user_id", existing_type=_KEY, nullable=True)
        batch_op.add_column(sa.Column("realm", sa.String(length=128), nullable=False))
        batch_op.add_column(sa.Column("user", sa.String(length=128), nullable=False))
        batch_op.add_column(sa.Column("login", sa.String(length=128), nullable=False))
        batch_op.add_column(sa.Column("asked", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("nodes") as batch_op:
        batch_op.add_column(sa.Column("command_key", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Take back; users of other realms than the local one are signed out."""
    with op.batch_alter_table("nodes") as batch_op:
        batch_op.drop_column("command_key")
    op.execute("DELETE FROM portal_sign_ins")
    with op.batch_alter_table("portal_sign_ins") as batch_op:
        batch_op.drop_column("asked")
        batch_op.drop_column("login")
        batch_op.drop_column("user")
        batch_op.drop_column("realm")
        batch_op.alter_column("user_id", existing_type=_KEY, nullable=False)
