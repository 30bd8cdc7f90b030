"""Which cells are protected for their own sake: small ones, and those that all or none share."""

from collections.abc import Collection
from dataclasses import dataclass

from homeroom.vocabulary import ReasonCode
from services.node.domain.disclosure.bands import band_of, outcomes_within
from services.node.domain.disclosure.table import Cell, Known, Mark, Quantity, outcomes, students


@dataclass(frozen=True, slots=True)
class Finding:
    """What must be protected of one cell.

    Attributes:
        secrets: each number that nobody may work out, and how many values it must leave possible.
    """

    mark: Mark
    reason: ReasonCode
    secrets: tuple[tuple[Quantity, int], ...]


def finding_of(cell: Cell, min_size: int) -> Finding | None:
    """Why a cell cannot be shown as it is; None if it can for its own part."""
    if reason := _withheld_for(cell, min_size):
        secrets = [(students(cell.cell_id), min_size)] if _group_tells(cell, min_size) else []
        if cell.has_outcome:
            secrets.append((outcomes(cell.cell_id), min_size))
        return Finding(Mark.WITHHELD, reason, tuple(secrets))
    band = band_of(cell)
    if band is None:
        return None
    low, high = outcomes_within(cell.n, band)
    return Finding(
        # In a group so small that its band leaves one value, the code would be the number itself.
        Mark.MASKED if high > low else Mark.WITHHELD,
        ReasonCode.HOMOGENEOUS_CELL_MASKED,
        ((outcomes(cell.cell_id), max(high - low, 1)),),
    )


def refuses_everything(cells: Collection[Cell], known: Known, min_size: int) -> bool:
    """Whether subtraction from what the requester had before leaves a small group of the table."""
    if any(is_small(one.difference, min_size) for one in known.earlier):
        return True
    if not known.contributed:
        return False
    # Which cells its own students are in is not known here: every rest that may be is looked at.
    return any(is_small(cell.n - known.contributed, min_size) for cell in cells)


def is_small(n: int, min_size: int) -> bool:
    """Whether a number of students is small. None at all is not: it tells of nobody."""
    return 0 < n < min_size


def _withheld_for(cell: Cell, min_size: int) -> ReasonCode | None:
    if _differs(cell, min_size):
        return ReasonCode.DIFFERENCING_RISK
    if is_small(cell.n, min_size):
        return ReasonCode.SMALL_CELL_SUPPRESSED
    k = cell.numerator
    if k is None or band_of(cell) is not None:
        return None
    small = is_small(k, min_size) or is_small(cell.n - k, min_size)
    return ReasonCode.SMALL_CELL_SUPPRESSED if small else None


def _group_tells(cell: Cell, min_size: int) -> bool:
    return is_small(cell.n, min_size) or _differs(cell, min_size)


def _differs(cell: Cell, min_size: int) -> bool:
    """Whether what the requester knows of the cell leaves a small rest when subtracted."""
    rest = cell.n - cell.contributed
    return (cell.contributed > 0 and is_small(rest, min_size)) or any(
        is_small(difference, min_size) for difference in cell.differs_by
    )
