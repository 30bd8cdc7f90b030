"""`python -m services.node verify-log` and `export-log`: the log, where it is kept."""

from pathlib import Path
from typing import Annotated

import typer

from homeroom.audit.checkpoint import log_origin
from homeroom.cli.options import AsJson
from services.node.commands.databases import RecordsUrl, StateUrl
from services.node.opening import open_stores
from services.runtime.audit import verbs

Federation = Annotated[
    str, typer.Option(envvar="HOMEROOM_NODE_FEDERATION", help="The federation's name.")
]
Organization = Annotated[
    str, typer.Option(envvar="HOMEROOM_NODE_ORGANIZATION_ID", help="Whose node it is.")
]
CheckpointKey = Annotated[
    Path, typer.Option(envvar="HOMEROOM_NODE_CHECKPOINT_KEY", help="The key of checkpoints, PEM.")
]


def register(app: typer.Typer) -> None:
    """Adds these verbs to a command."""
    app.command("verify-log")(verify_log)
    app.command("export-log")(export_log)


def verify_log(records_url: RecordsUrl, state_url: StateUrl, as_json: AsJson = False) -> None:
    """Verifies every entry, checkpoint and hash of the node's log against the others."""
    verbs.verify(open_stores(records_url, state_url).log, as_json=as_json)


def export_log(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    out: Annotated[Path, typer.Argument(help="The new file.")],
    records_url: RecordsUrl,
    state_url: StateUrl,
    federation: Federation,
    organization: Organization,
    checkpoint_key: CheckpointKey,
    as_json: AsJson = False,
) -> None:
    """Signs the log as it is now, and writes all of it to a file for `homeroom audit verify`."""
    log, origin = open_stores(records_url, state_url).log, log_origin(federation, organization)
    verbs.export(log, origin, checkpoint_key, out, as_json=as_json)
