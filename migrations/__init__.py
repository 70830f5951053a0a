"""The history of the tables, as Alembic migrations. Nothing else makes or changes a table."""
