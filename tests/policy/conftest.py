"""Engines for the policies of this repository."""

from collections.abc import AsyncIterator

import pytest

from services.runtime.policy import open_engine
from tests.policy.conformance import POLICY, Engines, read_group
from tools.policy_vectors import AMPLE_SECONDS, local_folder


@pytest.fixture
async def engines(group: str) -> AsyncIterator[Engines]:
    """A node's two engines, with the local settings that a group of vectors is decided with."""
    async with local_folder(read_group(group)["settings"]) as folder:
        federation = await open_engine(
            "embedded", POLICY / "federation", decision_seconds=AMPLE_SECONDS
        )
        local = await open_engine("embedded", folder, decision_seconds=AMPLE_SECONDS)
        yield Engines(federation, local)
        await local.close()
        await federation.close()
