"""`homeroom policy`: change a policy safely, on a machine where the servers are installed."""

import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import typer

from homeroom.cli.options import AsJson, Debug
from homeroom.cli.policy_options import Folder
from homeroom.errors import RequestInvalidError

app = typer.Typer(
    help="A node's policies: lint, test, replay, explain, publish, roll back.",
    no_args_is_help=True,
)


@app.command("lint")
def lint(
    context: typer.Context, folder: Folder, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Finds what a policy may not do, by file and line."""
    _pass_on(context)


@app.command("test")
def run_tests(
    context: typer.Context, folder: Folder, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Runs a policy's own tests, and says what they do not reach."""
    _pass_on(context)


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
    named: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if parameter.name != "debug" and value not in (None, False, "", parameter.default):
            named += _written(parameter, value)
    code = subprocess.run([*command, *named], check=False).returncode
    if code:
        raise typer.Exit(code)


def _written(parameter: Any, value: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [str(value)]
    return [parameter.opts[0]] if value is True else [parameter.opts[0], str(value)]
