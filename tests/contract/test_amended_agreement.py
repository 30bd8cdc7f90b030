"""The client and what it knows of an agreement's history, beside what holders know."""

import pytest

from homeroom import AsyncClient, Outcome
from homeroom.errors import ChangedMeanwhileError
from tests.contract.scripted_federation import (
    AGREEMENT,
    ScriptedFederation,
    client,
    federation,
)
from tests.contract.test_client import ask

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


@pytest.mark.parametrize(
    ("length", "head", "believed"),
    [(0, "other", True), (1, "first", True), (2, "last", True), (2, "other", False),
     (1, "last", False), (9, "last", False)],
)  # fmt: skip
async def test_an_answer_by_another_history_of_the_agreement_is_not_used(
    federation: ScriptedFederation, client: AsyncClient, length: int, head: str, believed: bool
) -> None:
    """A registry that shows a holder something else than the client is found out."""
    history = (await client.federation()).known[AGREEMENT].history
    heads = {"first": history.statements[0].digest, "last": history.statements[1].digest}
    seen = {"agreement_length": length, "agreement_head": heads.get(head, b"\0" * 32)}
    federation.says(federation.honest("bps", 3, **seen), federation.honest("cambridge", 1))

    answer = await ask(client)

    assert (answer.sources["bps"].outcome is Outcome.ANSWERED) is believed
    if not believed:
        assert answer.sources["bps"].outcome is Outcome.EVIDENCE_INVALID
        assert "different histories" in answer.sources["bps"].error_reason
        assert answer.table["source"].to_pylist() == ["cambridge"]
