"""The verbs about policies, declared once for `homeroom` and for the node's own program.

What a verb does is the program's: the node's does it, and `homeroom` has the node's do it.
"""

from collections.abc import Callable, Mapping
from functools import wraps

import typer

from homeroom.cli import policy_options as options
from homeroom.cli.options import AsJson, Debug

Perform = Callable[[typer.Context], None]


def lint(
    context: typer.Context, folder: options.Folder, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Finds what a policy may not do, by file and line."""


def run_tests(
    context: typer.Context, folder: options.Folder, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Runs a policy's own tests, and says what they do not reach."""


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


def sign(
    context: typer.Context,
    bundle: options.Bundle,
    key: options.ApproverKey,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Adds the signature of a second person, who lets a policy release more."""


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


def make_key(
    context: typer.Context, file: options.KeyFile, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Makes the key of a second person, and says the public key for the node's settings."""


DECLARED: Mapping[str, Callable[..., None]] = {
    "lint": lint,
    "test": run_tests,
    "replay": replay,
    "explain": explain,
    "publish": publish,
    "sign": sign,
    "rollback": rollback,
    "key": make_key,
}


def add_verbs(app: typer.Typer, perform: Perform) -> None:
    """Adds every verb to a program that knows how each is done."""
    for name, declared in DECLARED.items():
        app.command(name)(_performed(declared, perform))


def _performed(declared: Callable[..., None], perform: Perform) -> Callable[..., None]:
    @wraps(declared)
    def verb(context: typer.Context, **_given: object) -> None:
        perform(context)

    return verb
