"""The command's root: its verbs, and how every error becomes a sentence and an exit code."""

import contextlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from homeroom.cli import (
    agreement,
    agreement_file,
    agreement_restore,
    audit,
    audit_checkpoints,
    audit_receipts,
    audit_reconcile,
    audit_verify,
    audit_witness,
    consent,
    destruction,
    destruction_certify,
    destruction_due,
    destruction_outstanding,
    development,
    disclosure,
    matter,
    node,
    organization,
    organization_keys,
    policy,
    query,
    request,
)
from homeroom.cli.exits import EXIT_OF_REASON, ExitCode
from homeroom.cli.terminal import show_json, tell
from homeroom.errors import HomeroomError, InternalError, NotPermittedError, RequestInvalidError


class _ErrorsInWords(TyperGroup):
    """Runs a verb; whatever it raises ends as one sentence, JSON where asked for, and a code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        code = self._exit_code(arguments, **extra)
        if standalone_mode:
            sys.exit(code)
        return code

    def _exit_code(self, arguments: list[str], **extra: Any) -> int:
        try:
            result = super().main(arguments, "homeroom", standalone_mode=False, **extra)
        except HomeroomError as error:
            return _told(error, arguments)
        except typer.Abort:
            return int(ExitCode.INTERRUPTED)
        except (BrokenPipeError, SystemExit):
            # Whoever read the output has gone; there is nobody left to tell.
            with contextlib.suppress(OSError):
                sys.stdout.close()
            return int(ExitCode.FAILED)
        except Exception as error:  # whatever it is, a person must not see a traceback
            return _told(_in_words(error, arguments), arguments)
        return result if isinstance(result, int) else int(ExitCode.OK)


def _in_words(error: Exception, arguments: Sequence[str]) -> HomeroomError:
    if isinstance(error, TyperException):
        return RequestInvalidError(f"{error.format_message()} Try --help.", field="command")
    if "--debug" in arguments:
        tell("".join(traceback.format_exception(error)))
    # Its text is left out: it may hold what was being worked on.
    return InternalError(
        f"unexpected: {type(error).__name__}; --debug shows where", error_type=type(error).__name__
    )


def _told(error: HomeroomError, arguments: Sequence[str]) -> int:
    tell(f"homeroom: {error.message}")
    if isinstance(error, NotPermittedError):
        _tell_codes(error.codes)
    if "--json" in arguments:
        content = {"reason": error.reason, "message": error.message, "metadata": error.metadata}
        show_json({"error": content})
    return int(EXIT_OF_REASON[error.reason])


def _tell_codes(codes: Sequence[str]) -> None:
    if not codes:
        return
    from homeroom.answer import reason_text  # noqa: PLC0415 - help must not wait for Arrow

    for code in codes:
        tell(f"  {code}: {reason_text(code)}")


app = typer.Typer(
    name="homeroom",
    cls=_ErrorsInWords,
    help="Records stay home; permitted answers travel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("query")(query.query)
app.command("explain")(query.explain)
app.add_typer(organization.app, name="org")
agreement_file.register(agreement.app)
agreement_restore.register(agreement.app)
app.add_typer(agreement.app, name="agreement")
audit_checkpoints.register(audit.app)
audit_receipts.register(audit.app)
audit_reconcile.register(audit.app)
audit_verify.register(audit.app)
audit_witness.register(audit.app)
organization_keys.register(organization.app)
app.add_typer(audit.app, name="audit")
app.add_typer(consent.app, name="consent")
app.add_typer(matter.app, name="matter")
app.add_typer(request.app, name="request")
app.add_typer(disclosure.app, name="disclosure")
destruction_certify.register(destruction.app)
destruction_due.register(destruction.app)
destruction_outstanding.register(destruction.app)
app.add_typer(destruction.app, name="destruction")
app.add_typer(node.app, name="node")
app.command("doctor")(node.doctor)
app.add_typer(policy.app, name="policy")
app.add_typer(development.app, name="dev-ca")


def main() -> int:
    """Runs the command of this process; returns its exit code."""
    code: int = typer.main.get_command(app).main(standalone_mode=False)
    return code
