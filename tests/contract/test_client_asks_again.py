"""When the client asks a question once more: while nobody is there, and where there is no place."""

import time
from typing import Any

import pytest

from homeroom import AsyncClient
from homeroom.answer import Answer
from homeroom.errors import PolicyUnavailableError, ServiceUnreachableError, TooMuchAskedError
from tests.contract.scripted_federation import AGREEMENT, ScriptedFederation, client, federation

__all__ = ["client", "federation"]


async def ask(client: AsyncClient, **scope: Any) -> Answer:
    asked = (
        AGREEMENT,
        "direct_service",
        "attendance",
        ("school_of_enrollment", "daily_attendance"),
    )
    return await client.query(*asked, **scope)


async def test_a_retry_asks_with_a_new_query_id(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A gateway that is not ready is asked again; no two queries have the same id."""
    federation.says(federation.honest("bps"), federation.honest("cambridge"))
    federation.wire.unready = 1

    answer = await ask(client)

    assert answer.complete
    assert len({query.query_id for query in federation.wire.queries}) == 2


async def test_only_silence_is_tried_again(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A policy that is unavailable, or a refusal, is told at once."""
    federation.wire.refusal = PolicyUnavailableError("no decision")

    with pytest.raises(PolicyUnavailableError):
        await ask(client)

    assert len(federation.wire.queries) == 1


async def test_nobody_there_is_a_typed_error(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A gateway that never becomes ready raises ServiceUnreachableError, not a gRPC error."""
    federation.wire.unready = 100

    with pytest.raises(ServiceUnreachableError):
        await ask(client)


async def test_who_has_less_than_half_of_the_time_left_asks_no_more(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A gateway that is asked too much would refuse it again, and a refusal costs it something."""
    federation.wire.refusal = TooMuchAskedError("too many", retry_after="0.5")
    began = time.monotonic()

    with pytest.raises(TooMuchAskedError):
        await ask(client, timeout=6.0)

    # With all of its time it would have gone on for five seconds.
    assert time.monotonic() - began < 4.5
    assert len(federation.wire.queries) >= 3
