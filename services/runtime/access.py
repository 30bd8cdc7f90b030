"""Says which caller may call which RPC; an RPC that is not listed is denied to everyone."""

from collections.abc import Mapping

from homeroom.errors import NotPermittedError
from homeroom.identity import Identity, Role

AccessTable = Mapping[str, frozenset[Role]]
"""Full method name, such as `/homeroom.api.node.v1.NodeService/Answer`, to the roles that may."""


def require_access(table: AccessTable, method: str, caller: Identity) -> None:
    """Lets the call pass if the table lists the caller's role for the method.

    Raises:
        NotPermittedError: in every other case.
    """
    if caller.role not in table.get(method, frozenset()):
        raise NotPermittedError("this caller may not call this method")
