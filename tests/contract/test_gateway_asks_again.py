"""A node without a place for a question, over real sockets: the gateway comes again."""

from collections.abc import AsyncIterator
from pathlib import Path

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.errors import TooMuchAskedError
from tests.contract.gateway_federation import frame, gateway_federation
from tests.contract.gateway_peers import Script

ASKED_SECONDS = 4.0


def crowded(times: int) -> Script:
    """A node that has no place so many times, and then answers."""
    refused = 0

    async def script(_request: node_pb.AnswerRequest) -> AsyncIterator[answer_pb2.AnswerFrame]:
        nonlocal refused
        if refused < times:
            refused += 1
            raise TooMuchAskedError("too many", retry_after="0.1")
        yield frame(0)
        yield frame(1, last=True)

    return script


async def test_a_node_that_has_a_place_later_answers_the_same_question(tmp_path: Path) -> None:
    """The same signed bytes: what was refused for want of a place was never asked there."""
    nodes = {"north": crowded(6), "south": crowded(0)}
    async with gateway_federation(tmp_path, nodes) as federation:
        answer = await federation.ask()

    assert answer.outcomes == {"north": ("ANSWERED", ""), "south": ("ANSWERED", "")}
    requests = federation.nodes["north"].requests
    assert len(requests) == 7
    assert all(request == requests[0] for request in requests)
    assert len(federation.nodes["south"].requests) == 1


async def test_a_node_that_never_has_a_place_is_named_so_in_time(tmp_path: Path) -> None:
    nodes = {"north": crowded(1_000_000), "south": crowded(0)}
    async with gateway_federation(tmp_path, nodes) as federation:
        answer = await federation.ask(seconds=ASKED_SECONDS)

    assert answer.outcomes["south"] == ("ANSWERED", "")
    assert answer.outcomes["north"] == ("CANNOT_DECIDE", "TOO_MUCH_ASKED")
    assert len(federation.nodes["north"].requests) > 1
