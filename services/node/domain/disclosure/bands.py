"""The coded bands of rates: near nothing and near everything, one range stands for all rates.

A rate of 100 percent tells the outcome of every member, and one of 98 percent of nearly every one.
The smaller the group, the wider the band (NCES 2011-603 and the states' rules after it). Every rate
within a band is coded: if only 0 and 100 were, the code would say just what it hides.
"""

from fractions import Fraction

from services.node.domain.disclosure.table import Cell

_WIDTHS = ((300, 1), (100, 2), (40, 5), (20, 10), (0, 20))
"""From how many students on, and how many percent at each end are one band."""


def band_of(cell: Cell) -> tuple[int, int] | None:
    """The lowest and highest percentage to show for a cell's rate; None if it needs no code."""
    percent = cell.percent
    if percent is None:
        return None
    width = band_width(cell.n)
    if percent <= width:
        return 0, width
    return (100 - width, 100) if percent >= 100 - width else None


def band_width(n: int) -> int:
    """How many percent at each end are coded for a group of this size."""
    return next(width for least, width in _WIDTHS if n >= least)


def outcomes_within(n: int, band: tuple[int, int]) -> tuple[int, int]:
    """The fewest and the most students with the outcome that a coded rate leaves possible."""
    low, high = (Fraction(n * percent, 100) for percent in band)
    return -(-low.numerator // low.denominator), high.numerator // high.denominator
