"""Runs the consent service, or works on its database: `python -m services.consent --help`.

Without a verb it serves, with its settings in HOMEROOM_CONSENT_*.
"""

import sys
from typing import Annotated

import typer

from services.consent.migrations import CONSENTS, VERSION_TABLE
from services.consent.server import build_server
from services.consent.settings import ConsentSettings
from services.consent.store import bring_up_to_date
from services.runtime.process import run_verb, service_verbs

app = service_verbs("consent", __doc__, ConsentSettings, build_server)


@app.command("migrate")
def migrate(
    database_url: Annotated[
        str,
        typer.Option(
            envvar="HOMEROOM_CONSENT_DATABASE_URL",
            help="The database, with an account that may change its tables.",
        ),
    ],
) -> None:
    """Brings the database up to date, so that the service itself may change no table."""
    bring_up_to_date(database_url, CONSENTS, VERSION_TABLE)


if __name__ == "__main__":
    sys.exit(run_verb(app))
