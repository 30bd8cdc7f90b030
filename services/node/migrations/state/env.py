"""Brings the tables of a node's own state up to date, when `upgrade` asks."""

from services.runtime.database import run_migrations

run_migrations()
