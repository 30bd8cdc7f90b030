"""What the command writes: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_NO_TERMINAL_WIDTH = 2_000


def shown() -> Console:
    """Standard output; without a terminal a line is as long as it is, and nothing is cut."""
    width = None if sys.stdout.isatty() else _NO_TERMINAL_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def told() -> Console:
    """Standard error, for notes, progress and errors."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def show(text: str) -> None:
    """Writes one line of the result."""
    shown().print(plain(text), soft_wrap=True)


def tell(text: str) -> None:
    """Writes a note beside the result."""
    told().print(plain(text))


def show_json(content: Any) -> None:
    """Writes the result as one JSON document."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=2, default=str) + "\n")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes rows under their columns' names."""
    table = Table(*columns, box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(plain("" if cell is None else str(cell))) for cell in row))
    shown().print(table)


def progress() -> Progress:
    """Progress of long work; silent where standard error is no terminal."""
    console = told()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def plain(text: str) -> str:
    """The text without what would steer a terminal: others wrote it."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
