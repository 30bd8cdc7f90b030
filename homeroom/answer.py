"""An answer: the rows that were released, what became of the question at each source, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from homeroom.catalog import TOLD_BESIDE, Dataset
from homeroom.errors import RequestInvalidError
from homeroom.levels import schema_at
from homeroom.question import Level
from homeroom.vocabulary import REASON_TEXT, ReasonCode

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "source"
"""The first column of a table: the organization that released the row."""

_NO_REASON = "the holder may not release anything for this question"
_UNKNOWN_REASON = "a reason that this version of Homeroom has no words for"
_PERMITTED = "permitted_"


class Outcome(StrEnum):
    """What became of a question at one source."""

    ANSWERED = "ANSWERED"
    NO_PERMITTED_ANSWER = "NO_PERMITTED_ANSWER"
    TIMED_OUT = "TIMED_OUT"
    UNREACHABLE = "UNREACHABLE"
    CANNOT_DECIDE = "CANNOT_DECIDE"
    EVIDENCE_INVALID = "EVIDENCE_INVALID"  # found by the client: none of its rows are used


@dataclass(frozen=True, slots=True)
class Source:
    """What became of the question at one holder.

    Attributes:
        released_elements: the elements whose columns its rows have.
        withheld: the elements it withheld from everyone, each with the code of the reason.
        reason_codes: the codes of its decision about the question.
        error_reason: why it could not decide, or what was wrong with its evidence; else empty.
        seconds: from the question to the end of its answer.
        receipt: its SignedStatement of what it disclosed, serialized; empty if it sent none.
    """

    holder: str
    outcome: Outcome
    row_count: int = 0
    released_elements: tuple[str, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)
    reason_codes: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    error_reason: str = ""
    seconds: float = 0.0
    receipt: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was asked for and refused.

    Attributes:
        element: None when the whole question was refused.
        code: the reason's code; empty when the holder gave none.
    """

    holder: str
    element: str | None
    code: str
    text: str


class Outcomes:
    """What became of a question at every source; the part that all answers share."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = sources

    @property
    def complete(self) -> bool:
        """Whether every source answered."""
        return all(source.outcome is Outcome.ANSWERED for source in self.sources.values())

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What was refused, by whom and why, in words."""
        return tuple(
            refusal for source in self.sources.values() for refusal in _refusals_of(source)
        )

    @property
    def receipts(self) -> Mapping[str, bytes]:
        """Each source's signed receipt, to keep."""
        return {name: source.receipt for name, source in self.sources.items() if source.receipt}

    @property
    def obligations(self) -> tuple[str, ...]:
        """What the recipient has to do, as codes of the vocabulary; sorted."""
        return tuple(sorted({o for source in self.sources.values() for o in source.obligations}))


class Answer(Outcomes):
    """The permitted answer to one question.

    Attributes:
        table: the rows of every source that answered: `source`, `subject_ref`, and the columns of
            the elements that at least one source released; null where a source did not. Counts
            and rows without names have the columns of their level (homeroom/levels.py).
    """

    def __init__(self, table: pa.Table, sources: Mapping[str, Source]) -> None:
        super().__init__(sources)
        self.table = table

    def to_pandas(self) -> "pd.DataFrame":
        """The table as a DataFrame.

        Raises:
            RequestInvalidError: if pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: F401, PLC0415 - only asked for here
        except ImportError:
            raise RequestInvalidError(
                "pandas is not installed: pip install pandas, or use .table", field="pandas"
            ) from None
        return self.table.to_pandas()

    def __repr__(self) -> str:
        """Says how much there is and of whom; never a row."""
        outcomes = ", ".join(f"{s.holder} {s.outcome}" for s in self.sources.values())
        return f"<Answer: {self.table.num_rows} rows; {outcomes}>"


def answer_schema(
    dataset: Dataset,
    elements: Iterable[str],
    *,
    level: Level = Level.STUDENT,
    beside: bool = True,
) -> pa.Schema:
    """The columns of an answer with some elements; last, if wanted, what goes `beside` a row."""
    schema = schema_at(level, dataset, elements)
    schema = schema.insert(0, pa.field(SOURCE, pa.string(), nullable=False))
    for column in TOLD_BESIDE if beside and level is Level.STUDENT else ():
        schema = schema.append(column)
    return schema


def with_source(batch: pa.RecordBatch, holder: str, schema: pa.Schema) -> pa.RecordBatch:
    """A source's rows in the columns of the answer; what it did not release is null."""
    columns: list[Any] = [pa.repeat(pa.scalar(holder), batch.num_rows)]
    present = set(batch.schema.names)
    columns += [
        batch.column(wanted.name)
        if wanted.name in present
        else pa.nulls(batch.num_rows, wanted.type)
        for wanted in list(schema)[1:]
    ]
    return pa.record_batch(columns, schema=schema)


def _refusals_of(source: Source) -> Iterable[Refusal]:
    if source.outcome is Outcome.NO_PERMITTED_ANSWER:
        codes = [code for code in source.reason_codes if not code.startswith(_PERMITTED)]
        for code in codes or [""]:
            yield Refusal(source.holder, None, code, reason_text(code))
    for element, code in source.withheld.items():
        yield Refusal(source.holder, element, code, reason_text(code))


def reason_text(code: str) -> str:
    """What a reason code means, in words."""
    if not code:
        return _NO_REASON
    return REASON_TEXT[ReasonCode(code)] if code in list(ReasonCode) else _UNKNOWN_REASON
