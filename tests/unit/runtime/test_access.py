"""Access: an RPC that is not listed is denied to everyone."""

import pytest

from homeroom.errors import NotPermittedError
from homeroom.identity import Identity, Role
from services.runtime.access import require_access

METHOD = "/homeroom.api.node.v1.NodeService/Answer"
TABLE = {METHOD: frozenset({Role.GATEWAY}), "/x/Nobody": frozenset[Role]()}


def bearer(role: Role) -> Identity:
    return Identity("test.example", "anytown", role)


def test_a_listed_role_may_call() -> None:
    require_access(TABLE, METHOD, bearer(Role.GATEWAY))


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.GATEWAY}))
def test_a_role_that_is_not_listed_may_not(role: Role) -> None:
    with pytest.raises(NotPermittedError):
        require_access(TABLE, METHOD, bearer(role))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "method", ["/x/Nobody", "/x/Unlisted", "", METHOD.lower(), METHOD[1:], f"{METHOD}/"]
)
def test_a_method_that_is_not_listed_is_denied_to_everyone(method: str, role: Role) -> None:
    with pytest.raises(NotPermittedError):
        require_access(TABLE, method, bearer(role))
