"""A district whose firewall lets nobody in: its node dials out, and is asked like every other."""

import asyncio
from collections.abc import Iterator

import pytest

from deploy.local.founding import register
from deploy.local.layout import HUB
from homeroom import Outcome
from homeroom.federation import DIALS_OUT
from tests.federation.records import ATTENDANCE_ALLOWED, HARBOR
from tests.federation.running import Federation, eventually, refs_in

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


def register_at(federation: Federation, address: str) -> None:
    """The district's own record says where its node is reached."""
    member = next(one for one in federation.layout.members if one.organization_id == HARBOR)
    asyncio.run(register(federation.layout, member, address))


@pytest.fixture
def outward(federation: Federation) -> Iterator[Federation]:
    """One district gives no address, and listens where only its own machine knows."""
    gateway = federation.layout.processes["gateway"].environment["HOMEROOM_GATEWAY_ADDRESS"]
    dials = {"gateway_address": gateway, "gateway_operator": HUB}
    federation.restart(HARBOR, address="127.0.0.1:0", **dials)
    register_at(federation, DIALS_OUT)
    yield federation
    federation.restart(HARBOR)
    register_at(federation, federation.layout.node_addresses[HARBOR])
    eventually(federation.attendance, lambda found: found.complete)


def test_a_node_that_dials_out_is_asked_and_comes_back_when_the_gateway_does(
    outward: Federation,
) -> None:
    """Its answers come whole, over streams that it opens again; away, it is named so."""
    everyone = outward.refs(*ATTENDANCE_ALLOWED)
    answer = eventually(outward.attendance, lambda found: found.complete)
    assert refs_in(answer) == everyone

    outward.restart("gateway")
    answer = eventually(outward.attendance, lambda found: found.complete)
    assert refs_in(answer) == everyone

    outward.processes.stop(HARBOR)
    answer = outward.attendance()
    assert answer.sources[HARBOR].outcome is Outcome.UNREACHABLE
    assert outward.log_is_whole(HARBOR)
