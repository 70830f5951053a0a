"""Several authorities, revocation and its CRLs, certificates of users and servers, requests to outside authorities."""

import hashlib
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply; the authorities that are there get names, and what they issued keeps hanging on them."""
    op.create_table(
        "authorities",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("issues", sa.Boolean(), nullable=False),
        sa.Column("for_clients", sa.Boolean(), nullable=False),
        sa.Column("revocation_check", sa.String(length=32), nullable=False),
        sa.Column("crl_url", sa.String(length=512), nullable=False),
        sa.Column("ocsp_url", sa.String(length=512), nullable=False),
        sa.Column("crl", sa.LargeBinary(), nullable=True),
        sa.Column("crl_number", _KEY, nullable=False),
        sa.Column("crl_issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("crl_next_update_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorities")),
        sa.UniqueConstraint("name", name=op.f("uq_authorities_name")),
    )
    op.create_table(
        "certificate_requests",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_requests")),
    )
    with op.batch_alter_table("certificates") as batch_op:
        batch_op.add_column(sa.Column("fingerprint", sa.String(length=128), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("owner", sa.String(length=128), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("chain", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("authority_id", _KEY, nullable=True))
        batch_op.add_column(sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("revocation_reason", sa.String(length=32), nullable=True))
    _give_authorities()
    with op.batch_alter_table("certificates") as batch_op:
        batch_op.drop_index(batch_op.f("ix_certificates_issuer_id"))
        batch_op.drop_constraint(batch_op.f("fk_certificates_issuer_id_certificates"), type_="foreignkey")
        batch_op.drop_column("issuer_id")
        batch_op.drop_constraint(batch_op.f("uq_certificates_serial_number"), type_="unique")
        batch_op.alter_column("private_key", existing_type=sa.LargeBinary(), nullable=True)
        batch_op.alter_column("fingerprint", existing_type=sa.String(length=128), server_default=None)
        batch_op.alter_column("owner", existing_type=sa.String(length=128), server_default=None)
        batch_op.alter_column("chain", existing_type=sa.Text(), server_default=None)
        batch_op.create_unique_constraint(batch_op.f("uq_certificates_fingerprint"), ["fingerprint"])
        batch_op.create_index(batch_op.f("ix_certificates_serial_number"), ["serial_number"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_owner"), ["owner"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_authority_id"), ["authority_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificates_revoked_at"), ["revoked_at"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_certificates_authority_id_authorities"),
            "authorities",
            ["authority_id"],
            ["id"],
            ondelete="RESTRICT",
        )
    with op.batch_alter_table("profiles") as batch_op:
        batch_op.add_column(
            sa.Column("certificate_names_login", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("profiles") as batch_op:
        batch_op.alter_column("certificate_names_login", existing_type=sa.Boolean(), server_default=None)


def _give_authorities() -> None:
    connection = op.get_bind()
    certificates = sa.table(
        "certificates",
        *(sa.column(name) for name in ("id", "purpose", "retired_at", "issuer_id", "authority_id", "fingerprint")),
        sa.column("certificate", sa.LargeBinary),
    )
    authorities = sa.table(
        "authorities",
        *(sa.column(name) for name in ("id", "name", "revocation_check", "crl_url", "ocsp_url", "crl_number")),
        sa.column("issues", sa.Boolean),
        sa.column("for_clients", sa.Boolean),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    rows = connection.execute(sa.select(certificates).order_by(certificates.c.id.desc())).all()
    for row in rows:
        connection.execute(
            sa.update(certificates)
            .where(certificates.c.id == row.id)
            .values(fingerprint=hashlib.sha256(row.certificate).hexdigest().upper())
        )
    issues = True
    for number, row in enumerate((row for row in rows if row.purpose == "authority"), start=1):
        connection.execute(
            sa.insert(authorities).values(
                id=number,
                name="coati" if number == 1 else f"coati-{number}",
                issues=issues and row.retired_at is None,
                for_clients=True,
                revocation_check="off",
                crl_url="",
                ocsp_url="",
                crl_number=0,
                created_at=datetime.now(UTC),
            )
        )
        issues = issues and row.retired_at is not None
        connection.execute(
            sa.update(certificates)
            .where(sa.or_(certificates.c.id == row.id, certificates.c.issuer_id == row.id))
            .values(authority_id=number)
        )
    # SQLite changes a table by copying and dropping it, and drops none that rows of its own point to.
    connection.execute(sa.update(certificates).values(issuer_id=None))
    if connection.dialect.name == "postgresql" and rows:
        connection.execute(
            sa.text(
                "SELECT setval(pg_get_serial_sequence('authorities', 'id'), "
                "(SELECT coalesce(max(id), 1) FROM authorities))"
            )
        )


def downgrade() -> None:
    """Take back; what the old table cannot hold (users' certificates, keyless ones) goes."""
    with op.batch_alter_table("profiles") as batch_op:
        batch_op.drop_column("certificate_names_login")
    with op.batch_alter_table("certificates") as batch_op:
        batch_op.add_column(sa.Column("issuer_id", _KEY, nullable=True))
    op.execute("DELETE FROM certificates WHERE private_key IS NULL OR purpose IN ('user', 'server')")
    op.execute(
        "UPDATE certificates SET issuer_id = (SELECT max(a.id) FROM certificates AS a WHERE a.purpose = 'authority' "
        "AND a.authority_id = certificates.authority_id) WHERE purpose <> 'authority'"
    )
    with op.batch_alter_table("certificates") as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_certificates_authority_id_authorities"), type_="foreignkey")
        for column in ("revoked_at", "authority_id", "owner", "serial_number"):
            batch_op.drop_index(batch_op.f(f"ix_certificates_{column}"))
        batch_op.drop_constraint(batch_op.f("uq_certificates_fingerprint"), type_="unique")
        batch_op.alter_column("private_key", existing_type=sa.LargeBinary(), nullable=False)
        for column in ("revocation_reason", "revoked_at", "authority_id", "chain", "owner", "fingerprint"):
            batch_op.drop_column(column)
        batch_op.create_unique_constraint(batch_op.f("uq_certificates_serial_number"), ["serial_number"])
        batch_op.create_index(batch_op.f("ix_certificates_issuer_id"), ["issuer_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_certificates_issuer_id_certificates"),
            "certificates",
            ["issuer_id"],
            ["id"],
            ondelete="RESTRICT",
        )
    op.drop_table("certificate_requests")
    op.drop_table("authorities")
