"""The verb by which a service with one database brings it up to date before it starts."""

from pathlib import Path
from typing import Annotated

import typer

from services.runtime.database import bring_up_to_date


def add_migrate(app: typer.Typer, variable: str, migrations: Path, version_table: str) -> None:
    """Adds the verb `migrate` to a service that has one database.

    Args:
        app: the service's program.
        variable: what names the database in the environment.
        migrations: the folder of what is applied.
        version_table: where the database says how far it is.
    """
    url_option = typer.Option(
        envvar=variable, help="The database, with an account that may change its tables."
    )

    @app.command("migrate")
    def migrate(database_url: Annotated[str, url_option]) -> None:
        """Brings the database up to date, so that the service itself may change no table."""
        bring_up_to_date(database_url, migrations, version_table)
