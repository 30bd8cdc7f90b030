"""Where a verb finds the node's databases."""

from typing import Annotated

import typer

RecordsUrl = Annotated[
    str,
    typer.Option(envvar="HOMEROOM_NODE_RECORDS_URL", help="The database of records."),
]
StateUrl = Annotated[
    str,
    typer.Option(envvar="HOMEROOM_NODE_STATE_URL", help="The database of the node's own state."),
]
