"""Runs the migrations: on the connection that gitops hands over, or on DATABASE_URL for the `alembic` command."""

import os

from alembic import context
from sqlalchemy import create_engine, pool

target_metadata = None  # your models' metadata, for `alembic revision --autogenerate`


def run(connection):
    context.configure(connection=connection, target_metadata=target_metadata)
    with context.begin_transaction():
        context.run_migrations()


def run_with_own_connection():
    url = os.environ["DATABASE_URL"]
    for plain in ("postgres://", "postgresql://"):
        if url.startswith(plain):
            url = "postgresql+psycopg://" + url.removeprefix(plain)
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        run(connection)


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, target_metadata=target_metadata)
    with context.begin_transaction():
        context.run_migrations()
elif context.config.attributes.get("connection") is not None:
    run(context.config.attributes["connection"])
else:
    run_with_own_connection()
