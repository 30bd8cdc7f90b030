"""The client after an amendment: it relies on what is in force, and asks again once."""

import pytest

from homeroom import AsyncClient
from homeroom.errors import ChangedMeanwhileError
from tests.contract.scripted_federation import ScriptedFederation
from tests.contract.test_client import ask, client, federation

__all__ = ["client", "federation"]


async def test_a_query_relies_on_the_version_in_force_and_is_asked_again_after_an_amendment(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """The first refusal makes the client read the registry again; a second is told."""
    federation.says(federation.honest("bps"), federation.honest("cambridge"))
    await ask(client)
    federation.publish(5)
    federation.wire.amended = True
    answer = await ask(client)
    federation.wire.refusal = ChangedMeanwhileError("another version is in force")
    with pytest.raises(ChangedMeanwhileError):
        await ask(client)

    first, refused, again, *_ = federation.wire.queries
    assert answer.complete
    assert [first.agreement_version, refused.agreement_version, again.agreement_version] == [1] * 3
    assert (refused.min_registry_sequence, again.min_registry_sequence) == (0, 5)
    assert refused.query_id != again.query_id
    assert len(federation.wire.queries) == 5
