"""`homeroom node`: how the organization's node is, what it can hold, and loading its records."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.errors import InternalError, RequestInvalidError

if TYPE_CHECKING:
    from homeroom.api.node.v1.node_service_pb2 import GetNodeStatusResponse, IntakeRun

_LISTS = frozenset(
    {"datasets", "views", "consent_problems", "intakes", "schools", "partner_contradictions"}
)
"""What is told below the first table."""

app = typer.Typer(help="The organization's node: status, catalog, ingest.", no_args_is_help=True)


@app.command("status")
def status(
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Shows how the node is: counts, ages and revisions; no record."""
    content = _status_json(asyncio.run(_status(profile)))
    if as_json:
        show_json(content)
        return
    show_table(("what", "value"), [(k, v) for k, v in content.items() if k not in _LISTS])
    counts = content["datasets"].items()
    views = content["views"]
    show_table(("dataset", "records"), [(d, "a view" if d in views else n) for d, n in counts])
    if content["consent_problems"]:
        show_table(("consents not usable", "how many"), content["consent_problems"].items())
    _show_intakes(content)
    for one in content["partner_contradictions"]:
        tell(f"the log of {one['organization_id']} was {one['kind']}, as seen {one['seen']}")


def _show_intakes(content: Mapping[str, Any]) -> None:
    """The newest intakes, a line for each table, and how far each school has reported."""
    counts = ("read", "added", "changed", "removed", "ended", "rejected")
    lines = [
        (run["run"], run["finished"], run["source"], run["format"], name, *map(tally.get, counts))
        for run in content["intakes"]
        for name, tally in run["tables"].items()
    ]
    if lines:
        show_table(("run", "finished", "source", "format", "table", *counts), lines)
    if content["schools"]:
        show_table(
            ("school", "attendance is", "reported until"),
            [tuple(school.values()) for school in content["schools"]],
        )


@app.command("catalog")
def catalog(
    dataset: Annotated[str | None, typer.Argument(help="Only this dataset.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Shows the datasets, their columns, and the element and CEDS number of each."""
    from homeroom.catalog import CATALOG, dataset_named  # noqa: PLC0415 - help is quick

    datasets = [dataset_named(dataset)] if dataset else list(CATALOG)
    columns = [
        {
            "dataset": d.name,
            "column": c.name,
            "element": c.element,
            "kind": c.kind,
            "ceds_id": c.ceds_id,
            "note": c.note,
        }
        for d in datasets
        for c in d.columns
    ]
    if as_json:
        show_json({"columns": columns})
    else:
        show_table(tuple(columns[0]), (tuple(column.values()) for column in columns))


@app.command("ingest")
def ingest(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="Such as record_csv or edfi_api.")
    ],
    path: Annotated[
        str, typer.Argument(help="A folder, a file or a zip archive; or a service's URL.")
    ],
    records_url: Annotated[
        str,
        typer.Option(envvar="HOMEROOM_NODE_RECORDS_URL", help="The node's database of records."),
    ],
    mapping: Annotated[
        str, typer.Option("--map", help="The map of a mapped CSV: a file, or a ready one's name.")
    ] = "",
    source: Annotated[
        str, typer.Option(help="The name of the source; the format's, if none is given.")
    ] = "",
    bulk: Annotated[
        bool, typer.Option("--bulk", help="The source tells all there is: what is missing is gone.")
    ] = False,
    may_shrink: Annotated[
        bool, typer.Option("--may-shrink", help="More than 20 % of a table may go.")
    ] = False,
    may_be_others: Annotated[
        bool, typer.Option("--may-be-others", help="Known ids may come with other names.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; keep nothing.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Loads a file set into the node's records, on the machine where the node runs."""
    command = ["ingest", format_name, path]
    command += ["--records-url", records_url, "--map", mapping, "--source", source]
    switches = {
        "--bulk": bulk,
        "--may-shrink": may_shrink,
        "--may-be-others": may_be_others,
        "--dry-run": dry_run,
        "--json": as_json,
    }
    command += [name for name, on in switches.items() if on]
    code = _where_the_node_runs(command)
    if code:
        raise InternalError("nothing was loaded; the lines above say why", exit_code=str(code))


def doctor(
    env_file: Annotated[
        Path | None,
        typer.Option("--env-file", help="The file with the node's settings; unset: as it is set."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Says what keeps a node from answering, and what to do, on the machine where it runs."""
    command = ["doctor", *(["--env-file", str(env_file)] if env_file else [])]
    return _where_the_node_runs([*command, *(["--json"] if as_json else [])])


def _where_the_node_runs(command: Sequence[str]) -> int:
    """Has the node's own program do something; its exit code."""
    if find_spec("services") is None or find_spec("services.node") is None:
        raise RequestInvalidError(
            "the servers are not installed here: run this where the node runs", field="node"
        )
    ran = subprocess.run([sys.executable, "-m", "services.node", *command], check=False)
    return ran.returncode


async def _status(profile: str | None) -> "GetNodeStatusResponse":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return await client.node_status()


def _status_json(status: "GetNodeStatusResponse") -> dict[str, Any]:
    return {
        "organization_id": status.organization_id,
        "registry_sequence": status.registry_sequence,
        "registry_confirm_time": status.registry_confirm_time.ToJsonString(),
        "consent_sequence": status.consent_sequence,
        "consent_confirm_time": status.consent_confirm_time.ToJsonString(),
        "active_consents": status.active_consents,
        "policy_engine": status.policy_engine,
        "federation_policy_revision": status.federation_policy.revision,
        "local_policy_revision": status.local_policy.revision,
        "log_size": status.log_size,
        "witnessed_size": status.witnessed_size,
        "witness_time": status.witness_time.ToJsonString(),
        "log_contradiction": status.log_contradiction,
        "partner_contradictions": [
            {
                "organization_id": one.organization_id,
                "kind": one.kind,
                "seen": one.see_time.ToJsonString(),
                "known_note": one.known_note,
                "refused_note": one.refused_note,
            }
            for one in status.partner_contradictions
        ],
        "overdue_certificates": status.overdue_certificate_count,
        "datasets": {d.dataset: d.record_count for d in status.datasets},
        "views": [d.dataset for d in status.datasets if d.from_view],
        "consent_problems": {p.reason_code: p.consent_count for p in status.consent_problems},
        "change_sequence": status.change_sequence,
        "intakes": [_intake_json(run) for run in status.intakes],
        "schools": [
            {
                "school_id": s.school_id,
                "attendance_kind": s.attendance_kind,
                "last_reported_date": s.last_reported_date,
            }
            for s in status.schools
        ],
    }


def _intake_json(run: "IntakeRun") -> dict[str, Any]:
    return {
        "run": run.run,
        "finished": run.finish_time.ToJsonString(),
        "source": run.source,
        "format": run.format,
        "rejected": run.rejected_count,
        "tables": {
            t.table: {
                "read": t.read_count,
                "added": t.added_count,
                "changed": t.changed_count,
                "removed": t.removed_count,
                "ended": t.ended_count,
                "rejected": t.rejected_count,
            }
            for t in run.tables
        },
    }
