"""`make demo`: founds a federation, tells its story, and ends it."""

import datetime as dt
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.preparation import prepare
from deploy.local.sources import RealDistricts, Source, SyntheticPilot
from deploy.local.story import tell
from homeroom.errors import HomeroomError

DataFolder = Annotated[
    Path | None, typer.Option(help="A folder with the sample data of two real districts.")
]


def source_of(data: Path | None, today: dt.date) -> Source:
    """The synthetic pilot, or the real districts of a folder."""
    return RealDistricts(data.resolve(), today) if data else SyntheticPilot(today)


def main(data: DataFolder = None) -> None:
    """Founds a federation in a temporary folder, tells its story, and ends it."""
    console = Console(highlight=False)
    today = dt.datetime.now(dt.UTC).date()
    source = source_of(data, today)
    began = time.monotonic()
    console.print(f"[bold]Homeroom[/bold]: a federation on this machine, with {source.title}")
    with tempfile.TemporaryDirectory(prefix="homeroom-") as folder:
        ready = prepare(Path(folder), source, today, console)
        with ready.processes:
            tell(ready, console, today)
    console.print(f"\nThat took {time.monotonic() - began:.0f} s. Every process has ended.")
    console.print("To keep one running: make up, which says what to type next; make down ends it.")


def run_command(command: Callable[..., None], name: str) -> None:
    """Runs a command of this folder; a failure is one sentence and exit code 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app()
    except HomeroomError as failed:
        sys.stderr.write(f"{name}: {failed.message}\n")
        sys.exit(1)


if __name__ == "__main__":
    run_command(main, "demo")
