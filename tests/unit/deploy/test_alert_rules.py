"""Alerts and dashboard name only numbers that there are, and every alert has its runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from homeroom.errors import Reason
from services.gateway.domain.fan_out import Outcome
from services.runtime.metrics import BASES, OTHER, REASONS
from tests.house.pages import headings, text_of
from tests.metric_names import documented
from tools import alert_rules
from tools.alert_rules import DEPLOY, RULES, SIDES, groups_in

_RUNBOOKS = DEPLOY.parent / "docs" / "operations" / "runbooks"
_FILES = sorted(file.stem for file in RULES.glob("*.yaml") if file.stem != "kustomization")
_ALERTS = {rule["alert"]: rule for name in _FILES for g in groups_in(name) for rule in g["rules"]}
_PANELS = [
    one
    for one in json.loads((RULES / "dashboard.json").read_text("utf-8"))["panels"]
    if one["type"] != "row"
]
_SHOWN = {
    f"{panel['title']}: {target['expr']}": target["expr"]
    for panel in _PANELS
    for target in panel["targets"]
}
_EXPRESSIONS = {name: rule["expr"] for name, rule in _ALERTS.items()} | _SHOWN

_OF_PROMETHEUS = {"up": frozenset({"job", "instance"})}
_OF_PROCESSES = {
    name: frozenset[str]()
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds")
}
_FUNCTIONS = {"sum", "rate", "increase", "time", "histogram_quantile"}
_WORDS = {"by", "and", "or", "unless", "ignoring", "group_left", "on"}
_GIVEN = {"job", "instance", "le"}
_VALUES = {
    "code": {one.name for one in grpc.StatusCode},
    "outcome": {*map(str, Outcome), "LEFT", "allowed", "refused", "undecided", "passed"},
    "reason": {*REASONS, *map(str, Reason), OTHER, ""},
    "basis": {*BASES, OTHER},
    "job": {"homeroom"},
}
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SELECTED = re.compile(r"([a-z_]+)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|ignoring|on|group_left)\s*\(([^)]*)\)")
_RANGED = re.compile(r"\b(\w+)\s*\((\w+)(?:\{[^}]*\})?\s*\[")


def _numbers() -> dict[str, frozenset[str]]:
    """Every name that an expression may have, with its labels."""
    known = dict(_OF_PROMETHEUS | _OF_PROCESSES)
    for name, one in documented().items():
        if one.kind == "histogram":
            known |= {f"{name}{end}": one.labels for end in ("_bucket", "_count", "_sum")}
        else:
            known[name] = one.labels
    return known


def _faults(expression: str) -> Iterator[str]:
    """What is wrong with the names in an expression; whether it is PromQL at all, promtool says."""
    known = _numbers()
    bare = re.sub(r'"[^"]*"', "", _GROUPED.sub("", re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", expression)))
    named = set(_NAME.findall(bare)) - _FUNCTIONS - _WORDS
    yield from (f"no number {name}" for name in named - known.keys())
    labels = {label for name in named & known.keys() for label in known[name]} | _GIVEN
    for group in _GROUPED.findall(expression):
        yield from (f"no label {one}" for one in set(_NAME.findall(group)) - labels)
    for name, selected in _SELECTED.findall(expression):
        for label, how, value in _MATCHER.findall(selected):
            if label not in known.get(name, frozenset()) | {"job"}:
                yield f"{name} has no label {label}"
            values = value.split("|") if how.endswith("~") else [value]
            yield from (f"{label} is never {v}" for v in values if v not in _VALUES[label])
    for function, name in _RANGED.findall(expression):
        if function in {"rate", "increase"} and not name.endswith(("_total", "_bucket", "_count")):
            yield f"{name} is no counter"


@pytest.mark.parametrize("name", _EXPRESSIONS)
def test_an_expression_names_numbers_labels_and_values_that_there_are(name: str) -> None:
    assert list(_faults(_EXPRESSIONS[name])) == []


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("homeroom_readiness == 0", "no number homeroom_readiness"),
        ('up{job="homeroom"} == homeroom_call_seconds', "no number homeroom_call_seconds"),
        ("sum by (student) (rate(homeroom_calls_total[5m]))", "no label student"),
        ('rate(homeroom_calls_total{state="registry"}[5m])', "has no label state"),
        ('rate(homeroom_calls_total{code="BROKEN"}[5m])', "code is never BROKEN"),
        ("rate(homeroom_log_entries[5m])", "homeroom_log_entries is no counter"),
        ('up{job="homeroom"} == 0 and tme() > 1', "no number tme"),
    ],
)
def test_a_name_that_there_is_not_is_found(expression: str, fault: str) -> None:
    """The check proves itself."""
    assert any(fault in one for one in _faults(expression))


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {file.stem for file in _RUNBOOKS.glob("*.md")} == _ALERTS.keys()


@pytest.mark.parametrize("name", _ALERTS)
def test_whoever_is_woken_is_told_where_to_read_what_to_do(name: str) -> None:
    """How bad it is, what it is in a sentence, and where to read what it means and what to do."""
    rule, page = _ALERTS[name], _RUNBOOKS / f"{name}.md"

    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["runbook_url"] == f"docs/operations/runbooks/{name}.md"
    assert rule["annotations"]["summary"]
    assert headings(page, 1) == [name]
    assert headings(page, 2) == ["Look", "Do"]
    assert len(text_of(page)) > 300


@pytest.mark.parametrize("name", _ALERTS)
def test_a_summary_tells_labels_that_the_alert_has(name: str) -> None:
    """A label that was summed away would be told as nothing."""
    rule = _ALERTS[name]
    told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    by = _GROUPED.search(rule["expr"]) if rule["expr"].startswith(("sum", "hist")) else None
    known = set(_NAME.findall(by.group(1))) if by else {"instance", "job"}
    if by is None:
        known |= set().union(*(_numbers().get(n, ()) for n in _NAME.findall(rule["expr"])))

    assert told <= known


def test_every_number_that_can_go_wrong_has_an_alert() -> None:
    """Those that only describe are named here, so that a new one is a decision."""
    describing = {
        "homeroom_calls_in_flight",
        "homeroom_decision_reasons_total",
        "homeroom_policy_activation_timestamp_seconds",
        "homeroom_policy_revision",
        "homeroom_questions_total",
        "homeroom_state_sequence",
        "homeroom_turns_places",
        "homeroom_turns_places_held",
        "homeroom_writer_epoch",
    }
    alerting = " ".join(rule["expr"] for rule in _ALERTS.values())

    assert {name for name in documented() if name not in alerting} == describing
    shown = " ".join(_SHOWN.values())
    assert {name for name in documented() if name not in shown} == set()


def test_the_manifests_have_the_same_rules() -> None:
    assert {file for names in SIDES.values() for file in names} == set(_FILES)
    assert [
        s for s in SIDES if alert_rules.manifest_of(s).read_text() != alert_rules.written(s)
    ] == []


def test_a_panel_has_its_own_place_and_number() -> None:
    every: list[dict[str, Any]] = json.loads((RULES / "dashboard.json").read_text("utf-8"))[
        "panels"
    ]

    assert len({panel["id"] for panel in every}) == len(every)
    assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in every}) == len(every)
    assert {panel["datasource"]["uid"] for panel in _PANELS} == {"${datasource}"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not at hand")
@pytest.mark.parametrize("name", _FILES)
def test_promtool_accepts_the_rules(name: str) -> None:
    subprocess.run(["promtool", "check", "rules", RULES / f"{name}.yaml"], check=True, timeout=60)
