"""The options of the verbs about policies, which `homeroom` and the node's own program share."""

from typing import Annotated

import typer

Folder = Annotated[str, typer.Argument(help="The folder of a policy.")]
