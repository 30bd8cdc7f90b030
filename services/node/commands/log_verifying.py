"""`python -m services.node verify-log` and `export-log`: the log, where it is kept."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from homeroom.audit.checkpoint import log_origin
from homeroom.audit.exported import Header
from homeroom.audit.findings import Finding
from homeroom.cli.options import AsJson
from homeroom.cli.terminal import show_json, tell
from homeroom.signing import SigningKey
from services.node.commands.databases import RecordsUrl, StateUrl
from services.node.opening import open_stores

Federation = Annotated[
    str, typer.Option(envvar="HOMEROOM_NODE_FEDERATION", help="The federation's name.")
]
Organization = Annotated[
    str, typer.Option(envvar="HOMEROOM_NODE_ORGANIZATION_ID", help="Whose node it is.")
]
CheckpointKey = Annotated[
    Path, typer.Option(envvar="HOMEROOM_NODE_CHECKPOINT_KEY", help="The key of checkpoints, PEM.")
]
_FAILED = 1


def register(app: typer.Typer) -> None:
    """Adds these verbs to a command."""
    app.command("verify-log")(verify_log)
    app.command("export-log")(export_log)


def verify_log(records_url: RecordsUrl, state_url: StateUrl, as_json: AsJson = False) -> None:
    """Verifies every entry, checkpoint and hash of the node's log against the others."""
    verified = open_stores(records_url, state_url).log.verify()
    if as_json:
        found = [_as_json(finding) for finding in verified.findings]
        sys.stdout.write(json.dumps({"entries": verified.size, "findings": found}) + "\n")
    for finding in () if as_json else verified.findings:
        tell(finding.told())
    if verified.findings:
        raise typer.Exit(_FAILED)
    if not as_json:
        tell(f"the log is whole: {verified.size:,} entries")


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
    log = open_stores(records_url, state_url).log
    origin, key = log_origin(federation, organization), SigningKey.load(checkpoint_key)
    size = log.signer(origin, key).sign().size
    with out.open("xb") as file:
        out.chmod(0o600)
        file.writelines(log.export(Header(origin, size, key.public)))
    if as_json:
        show_json({"file": str(out), "entries": size})
    else:
        tell(f"{size:,} entries are in {out}")


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "fault": str(finding.fault),
        "subject": str(finding.subject),
        "first": finding.first,
        "last": finding.last,
    }
