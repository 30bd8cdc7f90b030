"""What an intake of records reads: the pieces a source gives, and the ports of both ends.

A source gives rows as text, and may say what is gone or renamed; the row rules make values of
them; the records take them in one transaction.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from services.node.domain.intake_report import Notice, Rejection, Tally


class SourceRow(NamedTuple):
    """A row as a source gives it: the text of each column, in the columns' order."""

    table: str
    columns: tuple[str, ...]
    file: str
    line: int
    values: Sequence[str | None]


class Removal(NamedTuple):
    """The natural key of a row that the source says is gone, or the first columns of several."""

    table: str
    columns: tuple[str, ...]
    file: str
    line: int
    values: Sequence[str | None]


class Renaming(NamedTuple):
    """A student whom the source now knows by another id; the person, consents and links stay."""

    file: str
    line: int
    old_student_id: str
    new_student_id: str


Piece = SourceRow | Removal | Renaming | Rejection | Notice


class SourceMemory(Protocol):
    """What a source said in earlier runs, for a source that only says what changed."""

    @property
    def position(self) -> str | None:
        """How far the source was read before this run; None if it never was."""

    def recall(self, kind: str) -> dict[str, dict[str, Any]]:
        """What is kept of one kind, by id."""

    def some(self, kind: str, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """What is kept of one kind with these ids."""

    def each(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What is kept of one kind, in the order of the ids; it may be changed on the way."""

    def keep(self, kind: str, objects: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Keeps objects by id, in place of what was kept of them; None forgets one."""


class RowSource(Protocol):
    """Where rows come from: a file set in one format, or a service."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many sensitive values were dropped so far, by the field they stood in."""

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many elements were passed over so far because no table holds them, by name."""

    @property
    def complete(self) -> Mapping[str, bool]:
        """The tables of which this is all there is: what it does not say any more is gone.

        Each says whether it may shrink unasked, because the source itself names what is gone.
        """

    @property
    def position(self) -> str | None:
        """How far the source was read, to go on from in the next run; None where it cannot."""

    def rows(self, memory: SourceMemory) -> Iterator[Piece]:
        """The pieces, students before what is about them.

        Raises:
            RequestInvalidError: if the file set cannot be read in this format.
        """


class Identity(NamedTuple):
    """By what a student is known to be the same person."""

    given_name: str | None
    family_name: str | None
    birth_date: Any

    def contradicts(self, other: "Identity") -> bool:
        """Whether name and birth date both differ: then one id names two people."""
        pairs = [(_folded(mine), _folded(theirs)) for mine, theirs in zip(self, other, strict=True)]
        told = all(mine is not None and theirs is not None for mine, theirs in pairs)
        return told and all(mine != theirs for mine, theirs in pairs)


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


class RecordSink(Protocol):
    """Where rows go: one open transaction of the records."""

    @property
    def memory(self) -> SourceMemory:
        """What this run's source said earlier."""

    @property
    def student_keys(self) -> Mapping[str, int]:
        """The key of every student known so far."""

    @property
    def identities(self) -> Mapping[int, Identity]:
        """Who the students known before the run are, by key."""

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Adds or changes rows by their natural key."""

    def remove(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Removes the rows with these values."""

    def rename(self, old_student_id: str, new_student_id: str) -> bool:
        """Gives a student another id; False if the old is not known or the new one is taken."""

    def settle_complete(self, tables: Mapping[str, bool], *, may_shrink: bool) -> None:
        """Ends or removes what the source brought of these tables and does not say any more.

        Raises:
            RequestInvalidError: if more than a fifth of a table would go, and that may not be.
        """

    def tallies(self) -> Mapping[str, Tally]:
        """What became of the rows so far, by table."""

    def findings(self) -> Mapping[str, int]:
        """What is odd about the records that the run touched, and how often."""
