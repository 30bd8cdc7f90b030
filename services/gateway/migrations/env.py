"""Brings the gateway's tables up to date, when `upgrade` asks."""

from services.runtime.database import run_migrations

run_migrations()
