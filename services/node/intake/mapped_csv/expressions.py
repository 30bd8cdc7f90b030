"""Makes of what a map says functions from the cells of a line to texts."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from homeroom.catalog import ValueKind
from homeroom.errors import RequestInvalidError
from services.node.domain.record_tables import RecordColumn
from services.node.intake.mapped_csv.map_file import Expression
from services.node.intake.texts import first_places, folded

Cells = Sequence[str]
Evaluate = Callable[[Cells], str]
Tables = Mapping[str, Mapping[str, Mapping[str, str]]]
"""For each lookup, the columns of each row by its key."""

_TEMPLATE = re.compile(r"\{([^{}]+)\}")
_EPOCH = re.compile(r"\d{12,13}")
EXCEL = "excel"
"""The name, among the ways to write a day, of the number that Excel keeps for it."""

_EXCEL_DAY = re.compile(r"[1-9]\d{4}(\.\d+)?")
_EXCEL_BEGINS = date(1899, 12, 30)  # so that 1 March 1900 is its 61st day, as there
_REMEMBERED = 4_096
_BOOLEANS = {
    **dict.fromkeys(("y", "yes", "t", "true", "1", "x"), "true"),
    **dict.fromkeys(("n", "no", "f", "false", "0"), "false"),
}


class Compiler:
    """Makes functions for the lines of one file.

    Attributes:
        header: the names of its columns.
        codes: the codes that the map names once.
        tables: what can be looked up.
        dates: how the files write days.
    """

    def __init__(
        self,
        header: Sequence[str],
        codes: Mapping[str, Mapping[str, str]],
        tables: Tables,
        dates: Sequence[str],
    ) -> None:
        self._places = first_places(header)
        self._codes = codes
        self._tables = tables
        self._dates = tuple(dates)

    def expression(self, said: Expression, column: RecordColumn) -> Evaluate:
        """The text of a column for the cells of a line."""
        evaluate = self._source(said)
        codes = self._codes[said.shared_codes] if said.shared_codes else said.codes
        steps: list[Callable[[str], str]] = []
        if said.pattern is not None:
            steps.append(_matching(said.pattern))
        if codes:
            folded = {str(theirs).casefold(): ours for theirs, ours in codes.items()}
            other = said.otherwise
            steps.append(lambda text: folded.get(text.casefold(), text if other is None else other))
        if column.kind is ValueKind.DATE:
            steps.append(_day(self._dates))
        if column.kind is ValueKind.BOOLEAN:
            steps.append(lambda text: _BOOLEANS.get(text.lower(), text))
        if not steps and said.default is None:
            return evaluate
        return _through(evaluate, steps, said.default or "")

    def condition(self, when: Mapping[str, Sequence[str]]) -> Callable[[Cells], bool]:
        """Whether the cells of a line have one of the texts named in each column named."""
        wanted = [
            (self._place([name]), frozenset(text.casefold() for text in texts))
            for name, texts in when.items()
        ]
        return lambda cells: all(cells[place].casefold() in texts for place, texts in wanted)

    def _source(self, said: Expression) -> Evaluate:
        if said.column:
            place = self._place(said.column)
            return lambda cells: cells[place]
        if said.value is not None:
            value = said.value
            return lambda _cells: value
        if said.template is not None:
            return self._template(said.template)
        if said.lookup is not None:
            by, table = self._place(said.lookup.by), self._tables[said.lookup.file]
            names = said.lookup.column
            return lambda cells: next(
                (row[name] for row in (table.get(cells[by], {}),) for name in names if name in row),
                "",
            )
        cases = [(self.condition(case.when), case.then) for case in said.cases]
        return lambda cells: next((then for holds, then in cases if holds(cells)), "")

    def _template(self, template: str) -> Evaluate:
        named = [(n, self._place([n.removesuffix("?")])) for n in _TEMPLATE.findall(template)]

        def filled(cells: Cells) -> str:
            values = {name: cells[place] for name, place in named}
            if not all(text or name.endswith("?") for name, text in values.items()):
                return ""
            return _TEMPLATE.sub(lambda found: values[found[1]], template)

        return filled

    def _place(self, names: Sequence[str]) -> int:
        for name in names:
            for known in (name, folded(name)):
                if known in self._places:
                    return self._places[known]
        raise RequestInvalidError(f"a file has no column {' or '.join(names)}", field=names[0])


def _through(evaluate: Evaluate, steps: Sequence[Callable[[str], str]], default: str) -> Evaluate:
    @lru_cache(_REMEMBERED)
    def stepped(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    def evaluated(cells: Cells) -> str:
        text = evaluate(cells)
        return (stepped(text) if text else "") or default

    return evaluated


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def matched(text: str) -> str:
        found = compiled.search(text)
        return (found[1] or "").strip() if found else ""

    return matched


def _day(formats: Sequence[str]) -> Callable[[str], str]:
    """A day as YYYY-MM-DD, if it is written in one of the ways; else as it stands."""

    def day(text: str) -> str:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC).date().isoformat()
        for form in formats:
            if form == EXCEL and _EXCEL_DAY.fullmatch(text):
                return (_EXCEL_BEGINS + timedelta(days=int(text.partition(".")[0]))).isoformat()
            try:
                return datetime.strptime(text, form).replace(tzinfo=UTC).date().isoformat()
            except ValueError:
                continue
        return text

    return day
