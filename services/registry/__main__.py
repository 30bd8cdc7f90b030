"""Runs the registry, or works on its database: `python -m services.registry --help`.

Without a verb it serves, with its settings in HOMEROOM_REGISTRY_*.
"""

import sys
from typing import Annotated

import typer

from services.registry.migrations import REGISTRY, VERSION_TABLE
from services.registry.server import build_server
from services.registry.settings import RegistrySettings
from services.registry.store import bring_up_to_date
from services.runtime.process import run_verb, service_verbs

app = service_verbs("registry", __doc__, RegistrySettings, build_server)


@app.command("migrate")
def migrate(
    database_url: Annotated[
        str,
        typer.Option(
            envvar="HOMEROOM_REGISTRY_DATABASE_URL",
            help="The database, with an account that may change its tables.",
        ),
    ],
) -> None:
    """Brings the database up to date, so that the service itself may change no table."""
    bring_up_to_date(database_url, REGISTRY, VERSION_TABLE)


if __name__ == "__main__":
    sys.exit(run_verb(app))
