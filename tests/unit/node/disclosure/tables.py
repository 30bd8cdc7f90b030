"""What hypothesis makes up for disclosure control: tables, what is known of them, and a solver.

The solver is told nothing of how the code works: it compares ranks of rational matrices.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from hypothesis import strategies as st

from services.node.domain.disclosure.table import (
    Cell,
    Control,
    Known,
    Line,
    Mark,
    Quantity,
    Table,
    outcomes,
    students,
)

counts = st.one_of(st.integers(1, 3), st.integers(0, 12), st.integers(0, 60), st.just(0))


@st.composite
def two_way(
    draw: st.DrawFn, most: int = 3, most_schools: int = 3, rates: bool | None = None
) -> Table:
    """Schools by groups with some of the totals; of counts, or of rates as well."""
    schools = draw(st.integers(1, most_schools))
    groups = draw(st.integers(1, most))
    with_rates = draw(st.booleans()) if rates is None else rates
    sizes = {(school, group): draw(counts) for school in range(schools) for group in range(groups)}
    had = {place: draw(st.integers(0, n)) if with_rates else None for place, n in sizes.items()}
    inner = {
        place: Cell(f"c{place[0]}{place[1]}", f"s{place[0]}", f"g{place[1]}", n, had[place])
        for place, n in sizes.items()
    }
    rows = [[inner[s, g] for g in range(groups)] for s in range(schools)]
    columns = [[inner[s, g] for s in range(schools)] for g in range(groups)]
    cells = {cell.cell_id: cell for cell in inner.values()}
    lines: list[Line] = []
    for name, parts in [
        *_named("row", rows),
        *_named("column", columns),
        ("all", [*inner.values()]),
    ]:
        if draw(st.booleans()):
            cells[name] = _sum_of(name, parts)
            lines.append((name, *(part.cell_id for part in parts)))
    return Table(cells, tuple(lines))


def _named(kind: str, lists: Iterable[list[Cell]]) -> list[tuple[str, list[Cell]]]:
    return [(f"{kind}{number}", parts) for number, parts in enumerate(lists)]


def _sum_of(name: str, parts: Iterable[Cell]) -> Cell:
    found = [*parts]
    numerators = [part.numerator for part in found if part.numerator is not None]
    numerator = sum(numerators) if numerators else None
    return Cell(name, name, "total", sum(part.n for part in found), numerator)


@st.composite
def known_of(draw: st.DrawFn, table: Table, most: int = 3) -> Known:
    """Some true numbers of a table that are public."""
    numbers = [*truth(table)]
    chosen = draw(st.lists(st.sampled_from(numbers), max_size=most, unique=True))
    return Known({quantity: truth(table)[quantity] for quantity in chosen})


def truth(table: Table) -> Mapping[Quantity, int]:
    """Every number of a table."""
    found = {students(cell.cell_id): cell.n for cell in table.cells.values()}
    for cell in table.cells.values():
        if cell.numerator is not None:
            found[outcomes(cell.cell_id)] = cell.numerator
    return found


def seen(table: Table, known: Known, marks: Control) -> set[Quantity]:
    """The numbers that whoever is shown the table has."""
    found = set(known.quantities)
    for cell_id in table.cells.keys() - marks.marked(Mark.WITHHELD):
        found.add(students(cell_id))
        if table.cells[cell_id].has_outcome and cell_id in marks.marked(Mark.SHOWN):
            found.add(outcomes(cell_id))
    return found


def follows(table: Table, known: Iterable[Quantity], secret: Quantity) -> bool:
    """Whether a number is a linear combination of known ones, by the lines."""
    of = secret.of
    ids = sorted({*table.cells, *(cell_id for line in table.lines for cell_id in line)})
    rows = []
    for line in table.lines:
        row = dict.fromkeys(ids, Fraction(0))
        row[line[0]] -= 1
        for part in line[1:]:
            row[part] += 1
        rows.append([row[cell_id] for cell_id in ids])
    for quantity in known:
        if quantity.of is of:
            rows.append([Fraction(cell_id == quantity.cell_id) for cell_id in ids])
    wanted = [Fraction(cell_id == secret.cell_id) for cell_id in ids]
    return _rank([*rows, wanted]) == _rank(rows)


def _rank(rows: list[list[Fraction]]) -> int:
    left = [row[:] for row in rows]
    rank = 0
    for column in range(len(left[0]) if left else 0):
        pivot = next((n for n in range(rank, len(left)) if left[n][column]), None)
        if pivot is None:
            continue
        left[rank], left[pivot] = left[pivot], left[rank]
        for n in range(rank + 1, len(left)):
            factor = left[n][column] / left[rank][column]
            left[n] = [a - factor * b for a, b in zip(left[n], left[rank], strict=True)]
        rank += 1
    return rank


def protected(table: Table, min_size: int) -> set[Quantity]:
    """The numbers that nobody may learn: counts of few students, and outcomes that tell."""
    found = set()
    for cell in table.cells.values():
        small = 0 < cell.n < min_size
        if small:
            found.add(students(cell.cell_id))
        k = cell.numerator
        if k is None or not cell.n:
            continue
        if small or k in (0, cell.n) or 0 < k < min_size or 0 < cell.n - k < min_size:
            found.add(outcomes(cell.cell_id))
    return found
