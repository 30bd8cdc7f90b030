"""The law's cases of counts: which sets of withheld cells suffice, and what is shown.

The cases are beside the checkout, in ../shared/law; without them there is nothing to compare with.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeroom.checks import ORDER_OF_CHECKS
from services.node.domain.disclosure.control import control, suffices
from services.node.domain.disclosure.table import Cell, Earlier, Known, Mark, Table, students

LAW = Path(__file__).resolve().parents[5] / "shared" / "law" / "scenarios.yaml"


def _cases() -> list[Any]:
    found = yaml.safe_load(LAW.read_text())["cases"] if LAW.is_file() else []
    return [case for case in found if case["facts"]["request"]["level"] == "aggregate"]


def seated(request: Mapping[str, Any]) -> tuple[Table, Known]:
    """The table of a case, and what the requester knows beside it."""
    cells = {
        cell["id"]: Cell(cell["id"], cell["school"], cell["group"], cell["n"], rate=_rate(cell))
        for cell in request["cells"]
    }
    earlier = request["prior_release"]
    overlaps = earlier and earlier["same_requester"] and earlier["overlap"] != "none"
    known = Known(
        {students(one["id"]): one["n"] for one in request["totals_public_elsewhere"] or ()},
        earlier=(Earlier(earlier["n"], earlier["difference_n"]),) if overlaps else (),
        contributed=request["requester_contributes"] or 0,
    )
    return Table(cells, tuple(map(tuple, request["sum_lines"] or ()))), known


def _rate(cell: Mapping[str, Any]) -> Fraction | None:
    return None if cell.get("rate_percent") is None else Fraction(str(cell["rate_percent"]))


@pytest.mark.skipif(not LAW.is_file(), reason="the law's cases are not at hand")
def test_the_laws_counts_are_protected_and_no_more_than_needed() -> None:
    wrong = {}
    for case in _cases():
        table, known = seated(case["facts"]["request"])
        least = case["facts"]["holder"]["local_rules"]["min_cell_size"]
        marks = control(table, known, least)
        hidden = marks.marked(Mark.WITHHELD) | marks.marked(Mark.MASKED)
        codes = sorted(marks.reasons, key=ORDER_OF_CHECKS.index)
        first = codes[0].value if codes else "permitted_aggregate"
        expect = "deny" if marks.nothing else "partial" if hidden else "allow"
        fine = (
            hidden >= set(case["protect_cells"]),
            suffices(table, known, hidden, least),
            first in {case["reason_code"], *case["also_acceptable"]},
            expect == case["expect"],
        )
        if not all(fine):
            wrong[case["id"]] = (sorted(hidden), first, expect)
    assert not wrong
    assert _cases()


@pytest.mark.skipif(not LAW.is_file(), reason="the law's cases are not at hand")
def test_the_laws_examples_of_sets_are_told_apart() -> None:
    for case in _cases():
        table, known = seated(case["facts"]["request"])
        least = case["facts"]["holder"]["local_rules"]["min_cell_size"]
        for enough in case["sufficient_withholding_examples"]:
            assert suffices(table, known, frozenset(enough), least), (case["id"], enough)
        for too_few in case["insufficient_withholding_examples"]:
            assert not suffices(table, known, frozenset(too_few), least), (case["id"], too_few)
