"""`homeroom destruction`: what must be destroyed of what was received, by when, and who says so."""

import typer

app = typer.Typer(
    help="What must be destroyed of what was received, by when, and certificates of it.",
    no_args_is_help=True,
)
