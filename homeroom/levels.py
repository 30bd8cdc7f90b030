"""The columns of an answer at each level: rows about students, rows under codes, or counts."""

from collections.abc import Iterable

import pyarrow as pa

from homeroom.catalog import Dataset
from homeroom.question import Level

RECORD_CODE = "record_code"
"""The first column where students are not named: a random code, made for one answer alone."""

CELL_SCHEMA = pa.schema(
    [
        pa.field("cell", pa.string(), nullable=False),
        pa.field("school", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("n", pa.int64()),
        pa.field("rate_low", pa.float64()),
        pa.field("rate_high", pa.float64()),
        pa.field("marker", pa.string(), nullable=False),
    ]
)
"""What an answer about counts is: a row for each cell, the rate in percent."""


def schema_at(level: Level, dataset: Dataset, elements: Iterable[str]) -> pa.Schema:
    """The schema of one holder's answer with some elements; of none, no counts."""
    if level is Level.AGGREGATE:
        return CELL_SCHEMA
    schema = dataset.schema_of(elements)
    if level is Level.STUDENT:
        return schema
    return schema.set(0, pa.field(RECORD_CODE, pa.string(), nullable=False))
