"""`python -m services.node policy`: look through, try, replay, explain, publish and undo a policy.

`homeroom policy` calls it, where the servers are installed. A verb that finds something wrong ends
with exit code 1.
"""

from pathlib import Path

import typer

from homeroom.cli.options import AsJson
from homeroom.cli.policy_options import Folder
from homeroom.cli.terminal import show, show_json, tell
from services.runtime.policy import find_opa
from services.runtime.policy.lint import lint_folder
from services.runtime.policy.parsing import open_parser
from services.runtime.policy.trial import try_folder
from services.runtime.process import EXIT_FAILED

app = typer.Typer(help="Change a policy safely.", no_args_is_help=True)


@app.command("lint")
def lint(context: typer.Context, folder: Folder, as_json: AsJson = False) -> None:
    """Finds what a policy may not do, by file and line."""
    findings = lint_folder(Path(folder), open_parser(find_opa(context.obj)))
    if as_json:
        written = [{"file": f.file, "line": f.line, "message": f.message} for f in findings]
        show_json({"findings": written})
    else:
        for finding in findings:
            show(f"{folder}/{finding}")
        tell("nothing found" if not findings else f"{len(findings)} found")
    if findings:
        raise typer.Exit(EXIT_FAILED)


@app.command("test")
def run_tests(context: typer.Context, folder: Folder, as_json: AsJson = False) -> None:
    """Runs a policy's own tests, and says what they do not reach."""
    opa = find_opa(context.obj)
    trial = try_folder(Path(folder), opa)
    if as_json:
        show_json({"passed": trial.passed, "wrong": trial.wrong})
    else:
        tell(trial.passed)
        for fault in trial.wrong:
            show(fault)
        if opa is None:
            tell("no opa binary is here: form and types were not checked")
    if trial.wrong:
        raise typer.Exit(EXIT_FAILED)
