"""`homeroom audit verify`: what an exported log is, told without asking anyone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.exits import ExitCode
from homeroom.cli.options import AsJson, Debug, read_text
from homeroom.cli.terminal import show_json, tell
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    from homeroom.audit.verifying import LogKeys, Verified


def register(app: typer.Typer) -> None:
    """Adds this verb to a command."""
    app.command("verify")(verify)


def verify(
    file: Annotated[Path, typer.Argument(help="The exported log.")],
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="A checkpoint of the log that someone else has; may be given again."),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="Verifier keys, one on each line: the log's own and its witnesses'."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Verifies an exported log without asking anyone, and names what is wrong with which entry."""
    from homeroom.audit.exported import verify_export  # noqa: PLC0415 - help is quick

    others = [read_text(path) for path in checkpoint or ()]
    with _opened(file) as lines:
        verified = verify_export(lines, _keys_in(keys), others)
    if as_json:
        show_json(_as_json(verified))
    else:
        _tell(verified, known=keys is not None)
    return int(ExitCode.EVIDENCE_INVALID if verified.findings else ExitCode.OK)


def _opened(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as failed:
        raise RequestInvalidError(f"cannot read {file}: {failed.strerror}", field="file") from None


def _keys_in(path: Path | None) -> "LogKeys":
    from homeroom.audit.note import ED25519, NoteKey  # noqa: PLC0415 - help is quick
    from homeroom.audit.verifying import LogKeys  # noqa: PLC0415 - help is quick

    if path is None:
        return LogKeys()
    read = [NoteKey.parse(line) for line in read_text(path).split("\n") if line]
    own = [key.public_key for key in read if key.kind == ED25519]
    if len(own) != 1:
        raise RequestInvalidError("the keys are of one log and its witnesses", field="keys")
    return LogKeys(own[0], tuple(key for key in read if key.kind != ED25519))


def _as_json(verified: "Verified") -> dict[str, Any]:
    return {
        "origin": verified.origin,
        "entries": verified.size,
        "root": verified.root.hex() if verified.root is not None else None,
        "checkpoints": verified.checkpoints,
        "signed_size": verified.signed_size,
        "witnessed": [
            {"witness": one.witness, "size": one.size, "at": one.at.isoformat()}
            for one in verified.witnessed
        ],
        "findings": [
            {
                "fault": str(one.fault),
                "subject": str(one.subject),
                "first": one.first,
                "last": one.last,
            }
            for one in verified.findings
        ],
    }


def _tell(verified: "Verified", *, known: bool) -> None:
    for finding in verified.findings:
        tell(finding.told())
    if not verified.findings:
        tell(f"{verified.origin} is whole: {verified.size:,} entries")
    whose = "by the key given" if known else "by the key that the file itself names"
    tell(
        f"{verified.checkpoints} checkpoints agree; {verified.signed_size:,} entries signed {whose}"
    )
    for one in verified.witnessed:
        tell(f"{one.witness} saw {one.size:,} of them on {one.at.isoformat()}")
