"""What four services tell Prometheus: every number that the page of operations lists, and no other.

That no number is about a person, `test_no_value_leaks` looks for.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from homeroom.errors import HomeroomError
from services.runtime.metrics import BASES, OTHER, REASONS, Metrics
from tests.federation.leaks import found_in, page_at, pages_of, secrets_of
from tests.federation.records import ATTENDANCE, HARBOR, MILL_RIVER, SPARE, TWO_SURNAMES
from tests.federation.running import AGREEMENT, ASKER, PURPOSE, Federation, eventually
from tests.metric_names import documented

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

_SERVICES = {"registry": "registry", "consent": "consent", "gateway": "gateway", HARBOR: "node"}


def _samples(federation: Federation, process: str) -> list[Sample]:
    text = dict(pages_of(federation))[process].decode()
    return [one for family in text_string_to_metric_families(text) for one in family.samples]


def _sum(federation: Federation, process: str, name: str, **labels: str) -> float:
    """The sum of all series that have these labels."""
    return sum(
        one.value
        for one in _samples(federation, process)
        if one.name == name and labels.items() <= one.labels.items()
    )


@pytest.mark.parametrize("process", _SERVICES)
def test_a_service_tells_every_number_that_is_listed_and_no_other(
    federation: Federation, process: str
) -> None:
    text = dict(pages_of(federation))[process].decode()
    told = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
        if family.name.startswith("homeroom_")
    }

    assert told == {n for n, one in documented().items() if _SERVICES[process] in one.services}


@pytest.mark.parametrize("process", _SERVICES)
def test_labels_are_those_that_are_listed(federation: Federation, process: str) -> None:
    federation.attendance()
    listed = {name: one.labels for name, one in documented().items()}
    words = {
        "basis": BASES | {OTHER},
        "reason": REASONS | {OTHER, ""},
        "holder": {HARBOR, MILL_RIVER, ASKER, "second_street_club"},
        "state": {"registry", "consent"},
        "scope": {"federation", "local"},
        "certificate": {"own", "authority"},
    }
    for one in _samples(federation, process):
        family = one.name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum")
        if not one.name.startswith("homeroom_"):
            continue
        assert one.labels.keys() - {"le"} <= listed[family], one
        for label, value in one.labels.items():
            assert value in words.get(label, {value}), one


def test_a_question_counts_where_it_passes(federation: Federation) -> None:
    """Once at the gateway, once for each holder that it was put to, and once in its log."""

    def counted() -> Mapping[str, float]:
        answer = "/homeroom.api.node.v1.NodeService/Answer"
        allowed = {"basis": "consent", "outcome": "allowed"}
        return {
            "passed": _sum(federation, "gateway", "homeroom_questions_total", outcome="passed"),
            "parts": _sum(federation, "gateway", "homeroom_holder_answers_total", holder=HARBOR),
            "calls": _sum(federation, HARBOR, "homeroom_calls_total", method=answer, code="OK"),
            "decided": _sum(federation, HARBOR, "homeroom_decisions_total", **allowed),
        }

    before = counted()
    federation.attendance()

    wanted = {name: value + 1 for name, value in before.items()}
    assert eventually(counted, lambda found: found == wanted)


def test_a_revocation_has_a_lag(federation: Federation) -> None:
    def counted() -> float:
        return _sum(federation, SPARE.holder, "homeroom_revocation_lag_seconds_count")

    before = counted()
    with federation.allowed(SPARE, [ATTENDANCE]):
        pass

    assert eventually(counted, lambda found: found >= before + 1)


def test_a_node_tells_how_old_its_states_are_and_how_its_log_stands(federation: Federation) -> None:
    """All that has been signed is soon witnessed."""
    federation.attendance()
    limit = _sum(federation, HARBOR, "homeroom_state_age_limit_seconds")

    for state in ("registry", "consent"):
        assert _sum(federation, HARBOR, "homeroom_state_age_seconds", state=state) < limit
        assert _sum(federation, HARBOR, "homeroom_state_sequence", state=state) > 0
    entries = _sum(federation, HARBOR, "homeroom_log_entries")
    for name in ("homeroom_log_signed_entries", "homeroom_log_witnessed_entries"):
        eventually(
            lambda name=name: _sum(federation, HARBOR, name),  # type: ignore[misc]  # bound now
            lambda found: found >= entries,
        )
    assert _sum(federation, HARBOR, "homeroom_log_contradicted") == 0
    assert _sum(federation, HARBOR, "homeroom_ready") == 1


def test_a_value_that_stands_on_a_page_is_found_there(federation: Federation) -> None:
    """The search proves itself on a page that has one, as a label and in a name."""
    secret = TWO_SURNAMES.family_name
    metrics = Metrics([])
    told = Counter("test_planted", "Planted.", ("reason",), registry=metrics.registry)
    address = f"127.0.0.1:{metrics.listen('127.0.0.1:0')}"
    assert found_in(page_at(address), secrets_of(federation)) == []
    told.labels(secret).inc()

    assert secret in found_in(page_at(address), [secret])


def test_words_of_a_caller_are_no_labels(federation: Federation) -> None:
    """A purpose, a dataset and an agreement that a caller makes up are counted without the word."""
    made_up = "Zebulonia"

    def refused() -> float:
        return _sum(federation, "gateway", "homeroom_questions_total", outcome="refused")

    before = refused()
    for wrong in ({"purpose": made_up}, {"agreement": made_up}):
        asked: dict[str, Any] = {
            "agreement": AGREEMENT,
            "purpose": PURPOSE,
            "dataset": "attendance",
            "elements": [ATTENDANCE],
        }
        with pytest.raises(HomeroomError):
            federation.client.query(**(asked | wrong))

    assert eventually(refused, lambda found: found > before)
    assert [name for name, page in pages_of(federation) if made_up.encode() in page] == []
