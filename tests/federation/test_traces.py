"""Traces of a running federation: one question, from the gateway to the nodes, and no student."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.runtime.tracing.otlp import ATTRIBUTES, CODE, ORGANIZATION, ROWS
from tests.collector import Collector, attributes_of
from tests.federation.leaks import found_in, secrets_of
from tests.federation.records import ATTENDANCE, HARBOR, SPARE, TWO_SURNAMES
from tests.federation.running import AGREEMENT, ASKER, PURPOSE, Federation
from tests.federation.test_no_value_leaks import errors_of_wrong_questions

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

_TRACED = ("gateway", HARBOR)
_QUERY = "/homeroom.api.gateway.v1.GatewayService/Query"
_ANSWER = "/homeroom.api.node.v1.NodeService/Answer"
_SERVED, _MADE = 2, 3


@pytest.fixture(scope="module")
def collector(federation: Federation) -> Iterator[Collector]:
    """What the gateway and a node sent of a day's work, once both have stopped."""
    with Collector() as collecting:
        for name in _TRACED:
            federation.restart(name, traces_endpoint=collecting.endpoint)
        named = sorted(federation.refs(TWO_SURNAMES))
        federation.client.query(AGREEMENT, PURPOSE, "attendance", [ATTENDANCE], subject_refs=named)
        with federation.allowed(SPARE, [ATTENDANCE]):
            federation.attendance()
        errors_of_wrong_questions(federation)
        # A process that stops sends what waits.
        for name in _TRACED:
            federation.restart(name)
        yield collecting


def _spans(collector: Collector, name: str, kind: int) -> list[Any]:
    return [one for one in collector.spans() if (one.name, one.kind) == (name, kind)]


def test_a_question_is_one_trace_from_the_gateway_to_the_holder(collector: Collector) -> None:
    """The holder's span belongs to the gateway's call to it, and that to the question."""
    questions = {one.span_id: one for one in _spans(collector, _QUERY, _SERVED)}
    calls = {one.span_id: one for one in _spans(collector, _ANSWER, _MADE)}
    answers = _spans(collector, _ANSWER, _SERVED)

    assert answers
    for answer in answers:
        call = calls[answer.parent_span_id]
        assert answer.trace_id == call.trace_id == questions[call.parent_span_id].trace_id
        assert attributes_of(call)[ORGANIZATION] == HARBOR
        assert attributes_of(answer)[ORGANIZATION] == "hub"
    assert any(attributes_of(one).get(ROWS, 0) > 0 for one in answers)
    askers = {attributes_of(one)[ORGANIZATION] for one in questions.values()}
    assert ASKER in askers


def test_spans_tell_what_is_listed_and_no_more(collector: Collector) -> None:
    for span in collector.spans():
        assert attributes_of(span).keys() <= ATTRIBUTES
        assert (list(span.events), list(span.links), span.status.message) == ([], [], "")
        assert span.trace_state == ""
    codes = {attributes_of(one)[CODE] for one in collector.spans()}
    assert {"OK", "PERMISSION_DENIED"} <= codes
    assert {one["service.name"] for one in collector.resources()} == {
        "homeroom-gateway",
        "homeroom-node",
    }


def test_no_span_tells_a_students_value(collector: Collector, federation: Federation) -> None:
    """Of questions about named students, of consents, and of questions that hold a name."""
    received = collector.received()

    assert len(received) > 1_000
    assert found_in(received, secrets_of(federation)) == []


def test_a_value_that_is_sent_to_a_collector_is_found(collector: Collector) -> None:
    """The search proves itself: a word that stands in every span is found in what came."""
    assert found_in(collector.received(), [_QUERY, "Zebulonia"]) == [_QUERY]
