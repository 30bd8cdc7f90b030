"""The steward without `await` has what the steward has, and does it."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from homeroom import BlockingSteward, Steward
from tests.contract.scripted_federation import AGREEMENT, ScriptedFederation, federation
from tests.contract.test_command import AGREEMENT_FILE

__all__ = ["federation"]


def test_it_has_every_method_of_the_steward_with_the_same_parameters() -> None:
    def methods(kind: type) -> Mapping[str, list[inspect.Parameter]]:
        found: list[tuple[str, Callable[..., Any]]] = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(method).parameters.values())
            for name, method in found
            if not name.startswith("_")
        }

    assert methods(BlockingSteward) == methods(Steward)


async def test_a_script_proposes_and_reads_what_stands(federation: ScriptedFederation) -> None:
    """Beside a running loop too, as in a notebook."""

    def script() -> tuple[str, set[str]]:
        with BlockingSteward(federation.profile) as steward:
            proposed = steward.propose(steward.compile(AGREEMENT_FILE))
            names = {one.document.agreement_id for one in steward.agreements()}
        steward.close()  # a second time changes nothing
        return proposed.document.agreement_id, names

    assert await asyncio.to_thread(script) == ("tutoring", {"tutoring", AGREEMENT})
