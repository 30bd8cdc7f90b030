"""`python -m services.gateway verify-log` and `export-log`: the log, where it is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from homeroom.audit.checkpoint import GATEWAY_LOG, log_origin
from homeroom.cli.options import AsJson
from services.gateway.migrations import GATEWAY, VERSION_TABLE
from services.gateway.store import GatewayLog
from services.runtime.audit import verbs
from services.runtime.database import bring_up_to_date

DatabaseUrl = Annotated[
    str, typer.Option(envvar="HOMEROOM_GATEWAY_DATABASE_URL", help="The database of the log.")
]
Federation = Annotated[
    str, typer.Option(envvar="HOMEROOM_GATEWAY_FEDERATION", help="The federation's name.")
]
CheckpointKey = Annotated[
    Path,
    typer.Option(envvar="HOMEROOM_GATEWAY_CHECKPOINT_KEY", help="The key of checkpoints, PEM."),
]


def register(app: typer.Typer) -> None:
    """Adds these verbs to a command."""
    app.command("verify-log")(verify_log)
    app.command("export-log")(export_log)


def verify_log(database_url: DatabaseUrl, as_json: AsJson = False) -> None:
    """Verifies every entry, checkpoint and hash of the gateway's log against the others."""
    with _opened(database_url) as log:
        verbs.verify(log, as_json=as_json)


def export_log(
    out: Annotated[Path, typer.Argument(help="The new file.")],
    database_url: DatabaseUrl,
    federation: Federation,
    checkpoint_key: CheckpointKey,
    as_json: AsJson = False,
) -> None:
    """Signs the log as it is now, and writes all of it to a file for `homeroom audit verify`."""
    with _opened(database_url) as log:
        verbs.export(log, log_origin(federation, GATEWAY_LOG), checkpoint_key, out, as_json=as_json)


@contextmanager
def _opened(url: str) -> Iterator[GatewayLog]:
    bring_up_to_date(url, GATEWAY, VERSION_TABLE)
    log = GatewayLog(url)
    try:
        yield log
    finally:
        log.close()
