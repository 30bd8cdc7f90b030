"""`python -m services.node backup` and `restore`: the node's databases, copied while it serves."""

from pathlib import Path
from typing import Annotated

import typer

from homeroom.cli.terminal import tell
from homeroom.clock import utc_now
from services.node.commands.databases import RecordsUrl, StateUrl
from services.node.store.backup import make_backup, make_next_backup, restore_backup


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copies.")],
    records_url: RecordsUrl,
    state_url: StateUrl,
    key: Annotated[
        list[Path] | None, typer.Option("--key", help="A key file to copy as well; again.")
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            help="Make the new folder in this one, named by the moment, and keep so many of those."
        ),
    ] = None,
) -> None:
    """Copies the node's databases into a new folder, also while it serves."""
    if keep is None:
        made = make_backup(folder, records_url, state_url, key or [], utc_now())
    else:
        made = make_next_backup(folder, keep, records_url, state_url, key or [], utc_now())
    tell(f"copied; the log had {made.log_size:,} entries, root {made.log_root.hex()}")


def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of a backup.")],
    records_url: RecordsUrl,
    state_url: StateUrl,
    keys_to: Annotated[
        Path | None, typer.Option(help="The folder that the backup's keys go to.")
    ] = None,
) -> None:
    """Puts a backup's databases where there are none; a node that starts on them looks further."""
    put = restore_backup(folder, records_url, state_url, keys_to)
    tell(
        f"restored as of {put.made_at:%Y-%m-%d %H:%M} UTC; the log has {put.log_size:,} entries."
        " If more were witnessed, the node says so and does not answer: docs/keys.md"
    )
