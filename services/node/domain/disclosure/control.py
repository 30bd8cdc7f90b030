"""Decides what may be shown of a frozen table."""

from collections.abc import Mapping

from homeroom.vocabulary import ReasonCode
from services.node.domain.disclosure.bands import band_of, outcomes_within
from services.node.domain.disclosure.complements import Problem, complements, exposed_by
from services.node.domain.disclosure.primary import Finding, finding_of, refuses_everything
from services.node.domain.disclosure.table import Control, Known, Mark, Table


def control(table: Table, known: Known, min_size: int) -> Control:
    """What becomes of each cell: shown, masked as a range, or withheld.

    What everyone knows, what the requester had before and what it supplied itself count as shown.
    """
    if refuses_everything(table.cells.values(), known, min_size):
        return Control(
            dict.fromkeys(table.cells, Mark.WITHHELD),
            dict.fromkeys(table.cells, ReasonCode.DIFFERENCING_RISK),
        )
    findings = _findings(table, min_size)
    problem = _problem(table, known, findings, min_size)
    withheld = problem.withheld | complements(problem)
    marks = {cell_id: _mark(cell_id, findings, withheld) for cell_id in table.cells}
    covers = dict.fromkeys(withheld & table.cells.keys(), ReasonCode.COMPLEMENTARY_SUPPRESSION)
    own = {cell_id: finding.reason for cell_id, finding in findings.items()}
    return Control(marks, {**covers, **own})


def suffices(table: Table, known: Known, withheld: frozenset[str], min_size: int) -> bool:
    """Whether nothing that needs protection is shown or follows, if just these cells are withheld.

    By the lines alone: `control` looks besides at how many values each hidden number has left.
    """
    if refuses_everything(table.cells.values(), known, min_size):
        return withheld >= table.cells.keys()
    findings = _findings(table, min_size)
    if not findings.keys() <= withheld:
        return False
    return not exposed_by(_problem(table, known, findings, min_size), withheld)


def _findings(table: Table, min_size: int) -> Mapping[str, Finding]:
    found = ((cell_id, finding_of(cell, min_size)) for cell_id, cell in table.cells.items())
    return {cell_id: finding for cell_id, finding in found if finding is not None}


def _problem(table: Table, known: Known, findings: Mapping[str, Finding], min_size: int) -> Problem:
    withheld = {c for c, finding in findings.items() if finding.mark is Mark.WITHHELD} | known.held
    boxes = {}
    for cell_id in findings.keys() - withheld:
        cell = table.cells[cell_id]
        band = band_of(cell)
        if band is not None:
            boxes[cell_id] = outcomes_within(cell.n, band)
    secrets = {q: width for finding in findings.values() for q, width in finding.secrets}
    return Problem(table, known, frozenset(withheld), boxes, secrets, min_size)


def _mark(cell_id: str, findings: Mapping[str, Finding], withheld: frozenset[str]) -> Mark:
    if cell_id in withheld:
        return Mark.WITHHELD
    return Mark.MASKED if cell_id in findings else Mark.SHOWN
