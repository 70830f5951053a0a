"""Roles, passkeys and the identity provider."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply: who was an administrator is an owner."""
    with op.batch_alter_table("administrators") as batch_op:
        batch_op.add_column(sa.Column("role", sa.String(length=32), nullable=False, server_default="owner"))
        batch_op.add_column(sa.Column("subject", sa.String(length=512), nullable=True))
        batch_op.add_column(sa.Column("handle", sa.LargeBinary(length=32), nullable=True))
        batch_op.add_column(sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.alter_column("password_hash", existing_type=sa.String(length=512), nullable=True)
    administrators = sa.table(
        "administrators",
        sa.column("id", sa.BigInteger),
        sa.column("handle", sa.LargeBinary),
        sa.column("changed_at", sa.DateTime(timezone=True)),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    connection = op.get_bind()
    for (key,) in connection.execute(sa.select(administrators.c.id)).all():
        connection.execute(
            administrators.update()
            .where(administrators.c.id == key)
            .values(handle=secrets.token_bytes(32), changed_at=administrators.c.created_at)
        )
    with op.batch_alter_table("administrators") as batch_op:
        batch_op.alter_column("role", existing_type=sa.String(length=32), server_default=None)
        batch_op.alter_column("handle", existing_type=sa.LargeBinary(length=32), nullable=False)
        batch_op.alter_column("changed_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch_op.create_unique_constraint(batch_op.f("uq_administrators_subject"), ["subject"])
    with op.batch_alter_table("sign_ins") as batch_op:
        batch_op.add_column(sa.Column("method", sa.String(length=128), nullable=False, server_default="password"))
    with op.batch_alter_table("sign_ins") as batch_op:
        batch_op.alter_column("method", existing_type=sa.String(length=128), server_default=None)
    op.create_table(
        "passkeys",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("administrator_id", _BIG, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("credential", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("uses", _BIG, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["administrator_id"],
            ["administrators.id"],
            name=op.f("fk_passkeys_administrator_id_administrators"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential", name=op.f("uq_passkeys_credential")),
    )
    op.create_table(
        "ceremonies",
        sa.Column("ticket_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=128), nullable=False),
        sa.Column("administrator_id", _BIG, nullable=True),
        sa.Column("memory", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["administrator_id"],
            ["administrators.id"],
            name=op.f("fk_ceremonies_administrator_id_administrators"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("ticket_hash", name=op.f("pk_ceremonies")),
    )
    for table, column in (
        ("passkeys", "administrator_id"),
        ("ceremonies", "administrator_id"),
        ("ceremonies", "expires_at"),
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def downgrade() -> None:
    """Take back: an administrator without a password goes."""
    op.drop_table("ceremonies")
    op.drop_table("passkeys")
    op.execute("DELETE FROM administrators WHERE password_hash IS NULL")
    with op.batch_alter_table("sign_ins") as batch_op:
        batch_op.drop_column("method")
    with op.batch_alter_table("administrators") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_administrators_subject"), type_="unique")
        for column in ("role", "subject", "handle", "changed_at"):
            batch_op.drop_column(column)
        batch_op.alter_column("password_hash", existing_type=sa.String(length=512), nullable=False)
