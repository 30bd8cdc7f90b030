"""What the verbs `verify-log` and `export-log` of every service do, where its log is kept."""

import json
import sys
from pathlib import Path

import typer

from homeroom.audit.exported import Header
from homeroom.audit.findings import Finding
from homeroom.cli.terminal import show_json, tell
from homeroom.signing import SigningKey
from services.runtime.audit.reading import LogReader

_FAILED = 1


def verify(log: LogReader, *, as_json: bool) -> None:
    """Verifies every entry, checkpoint and hash of a log against the others, and says what it is.

    Raises:
        Exit: with 1, if anything is wrong.
    """
    verified = log.verify()
    if as_json:
        found = [_as_json(finding) for finding in verified.findings]
        sys.stdout.write(json.dumps({"entries": verified.size, "findings": found}) + "\n")
    for finding in () if as_json else verified.findings:
        tell(finding.told())
    if verified.findings:
        raise typer.Exit(_FAILED)
    if not as_json:
        tell(f"the log is whole: {verified.size:,} entries")


def export(log: LogReader, origin: str, checkpoint_key: Path, out: Path, *, as_json: bool) -> None:
    """Signs a log as it is now, and writes all of it to a new file."""
    key = SigningKey.load(checkpoint_key)
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
