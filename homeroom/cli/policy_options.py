"""The options of the verbs about policies, which `homeroom` and the node's own program share."""

from typing import Annotated

import typer

Folder = Annotated[str, typer.Argument(help="The folder of a policy.")]
Candidate = Annotated[str, typer.Argument(help="The policy to try: its folder, or a bundle of it.")]
Bundle = Annotated[str, typer.Argument(help="The bundle.")]
Question = Annotated[
    str, typer.Argument(help="A decision's query digest or its beginning, or a file of facts.")
]
Since = Annotated[
    str, typer.Option(help="Only decisions of the last days, such as 30d, or since YYYY-MM-DD.")
]
Conformance = Annotated[
    bool, typer.Option("--conformance", help="Also on the questions of policy/conformance.")
]
AcceptWidening = Annotated[
    bool, typer.Option("--accept-widening", help="Exit code 0 also where more is released.")
]
ReportOut = Annotated[str, typer.Option("--report", help="Write the report to this file.")]
ReportIn = Annotated[
    str, typer.Option("--report", help="What `homeroom policy replay` reported of this policy.")
]
Out = Annotated[str, typer.Option(help="The bundle's file; the one it replaces is kept beside.")]
Key = Annotated[
    str, typer.Option(envvar="HOMEROOM_NODE_SIGNING_KEY", help="The signing key that signs, PEM.")
]
ApproverKey = Annotated[str, typer.Option("--key", help="The signing key of the second person.")]
KeyFile = Annotated[str, typer.Argument(help="The new file of the private key.")]
Days = Annotated[int, typer.Option(min=1, max=3650, help="After how many days it expires.")]
Sequence = Annotated[
    int, typer.Option(min=0, help="Its number; by default one more than that of the file there.")
]
FederationName = Annotated[
    str, typer.Option("--federation", envvar="HOMEROOM_NODE_FEDERATION", help="Its name.")
]
Organization = Annotated[
    str,
    typer.Option(
        envvar="HOMEROOM_NODE_ORGANIZATION_ID", help="Whose policy it is, if not the federation's."
    ),
]
StateUrl = Annotated[
    str, typer.Option(envvar="HOMEROOM_NODE_STATE_URL", help="The database of the node's state.")
]
FederationPolicy = Annotated[
    str,
    typer.Option(
        envvar="HOMEROOM_NODE_FEDERATION_POLICY", help="The federation's policy that decides now."
    ),
]
LocalPolicy = Annotated[
    str,
    typer.Option(
        envvar="HOMEROOM_NODE_LOCAL_POLICY", help="The organization's own policy that decides now."
    ),
]
