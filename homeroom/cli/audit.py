"""`homeroom audit`: what holders said that they disclosed, and whether their logs bear it out."""

import typer

app = typer.Typer(help="Keep receipts, and hold the logs of holders to them.", no_args_is_help=True)
