"""`homeroom policy`: change a policy safely, on a machine where the servers are installed."""

import asyncio
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.policy_verbs import add_verbs
from homeroom.cli.terminal import show_json, show_table
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    from homeroom.api.node.v1.node_service_pb2 import GetNodeStatusResponse, PolicyStatus

app = typer.Typer(
    help="A node's policies: lint, test, replay, explain, publish, roll back.",
    no_args_is_help=True,
)


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
        if source is not None and source.name == "COMMANDLINE":
            command += _written(parameter, context.params[name])
    code = subprocess.run(command, check=False).returncode
    if code:
        raise typer.Exit(code)


def _written(parameter: Any, value: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [str(value)]
    return [parameter.opts[0]] if value is True else [parameter.opts[0], str(value)]


add_verbs(app, _pass_on)
