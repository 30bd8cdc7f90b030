"""`homeroom policy`: change a policy safely, on a machine where the servers are installed."""

import asyncio
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import typer

from homeroom.cli import policy_options as options
from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.terminal import show_json, show_table
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    from homeroom.api.node.v1.node_service_pb2 import GetNodeStatusResponse, PolicyStatus

app = typer.Typer(
    help="A node's policies: lint, test, replay, explain, publish, roll back.",
    no_args_is_help=True,
)


@app.command("lint")
def lint(
    context: typer.Context, folder: options.Folder, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Finds what a policy may not do, by file and line."""
    _pass_on(context)


@app.command("test")
def run_tests(
    context: typer.Context, folder: options.Folder, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Runs a policy's own tests, and says what they do not reach."""
    _pass_on(context)


@app.command("replay")
def replay(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    context: typer.Context,
    candidate: options.Candidate,
    federation_policy: options.FederationPolicy = "",
    local_policy: options.LocalPolicy = "",
    state_url: options.StateUrl = "",
    since: options.Since = "",
    conformance: options.Conformance = False,
    accept_widening: options.AcceptWidening = False,
    report: options.ReportOut = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Tries a policy on what was decided before: the same, less or more."""
    _pass_on(context)


@app.command("explain")
def explain(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    context: typer.Context,
    question: options.Question,
    federation_policy: options.FederationPolicy = "",
    local_policy: options.LocalPolicy = "",
    state_url: options.StateUrl = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Says in words what is decided on a question, why, and by which law."""
    _pass_on(context)


@app.command("publish")
def publish(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    context: typer.Context,
    folder: options.Folder,
    out: options.Out,
    key: options.Key = "",
    federation: options.FederationName = "",
    organization: options.Organization = "",
    days: options.Days = 365,
    sequence: options.Sequence = 0,
    report: options.ReportIn = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Signs a policy into a bundle that nodes take up."""
    _pass_on(context)


@app.command("sign")
def sign(
    context: typer.Context,
    bundle: options.Bundle,
    key: options.ApproverKey,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Adds the signature of a second person, who lets a policy release more."""
    _pass_on(context)


@app.command("rollback")
def rollback(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    context: typer.Context,
    bundle: options.Bundle,
    out: options.Out,
    key: options.Key = "",
    federation: options.FederationName = "",
    organization: options.Organization = "",
    days: options.Days = 365,
    sequence: options.Sequence = 0,
    report: options.ReportIn = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Publishes what an older bundle holds once more, under a new sequence."""
    _pass_on(context)


@app.command("key")
def make_key(
    context: typer.Context, file: options.KeyFile, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Makes the key of a second person, and says the public key for the node's settings."""
    _pass_on(context)


@app.command("status")
def status(
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Shows which policies decide at the node, until when, and what was not taken."""
    answered = asyncio.run(_status(profile))
    rows = [
        _state("federation", answered.federation_policy),
        _state("local", answered.local_policy),
    ]
    if as_json:
        show_json({"policies": rows})
    else:
        show_table(tuple(rows[0]), [tuple(row.values()) for row in rows])


async def _status(profile: str | None) -> "GetNodeStatusResponse":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return await client.node_status()


def _state(policy: str, state: "PolicyStatus") -> dict[str, Any]:
    expires = state.expire_time.ToJsonString() if state.HasField("expire_time") else ""
    return {
        "policy": policy,
        "sequence": state.sequence or "a folder",
        "expires": expires,
        "revision": state.revision,
        "problem": state.problem,
    }


def _pass_on(context: typer.Context) -> None:
    """Runs the same verb of the node's own program, with what was given here.

    Raises:
        RequestInvalidError: if the servers are not installed here.
    """
    if find_spec("services") is None or find_spec("services.node") is None:
        raise RequestInvalidError(
            "the servers are not installed here: run this where the node runs", field="node"
        )
    command = [sys.executable, "-m", "services.node", "policy", str(context.command.name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        # What the environment says, the other program reads there: a URL may hold a password.
        if name != "debug" and source is not None and source.name == "COMMANDLINE":
            command += _written(parameter, context.params[name])
    code = subprocess.run(command, check=False).returncode
    if code:
        raise typer.Exit(code)


def _written(parameter: Any, value: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [str(value)]
    return [parameter.opts[0]] if value is True else [parameter.opts[0], str(value)]
