"""Saves the rows of an answer to a file as they come, whatever its size."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from homeroom.client import AsyncClient
from homeroom.errors import AlreadyRecordedError, RequestInvalidError

if TYPE_CHECKING:
    from homeroom.answer import Outcomes
    from homeroom.client import Scope
    from homeroom.profile import Profile

_WRITERS = {
    ".csv": pa_csv.CSVWriter,
    ".parquet": pa_parquet.ParquetWriter,
    ".arrow": pa.ipc.new_file,
}


async def save_answer(
    profile: "Profile",
    asked: tuple[str, str, str, list[str]],
    scope: "Scope",
    out: Path,
    *,
    force: bool,
) -> tuple["Outcomes", int]:
    """Asks, and saves the rows; returns what became of the question and how many rows there are.

    Raises:
        RequestInvalidError: if the file's name says no format, or its folder cannot be written.
        AlreadyRecordedError: if the file is there already, and `force` is not given.
    """
    require_place(out, force=force)
    rows = 0
    async with AsyncClient(profile) as client, client.stream(*asked, **scope) as answer:
        with _writer(out, answer.schema) as writer:
            async for batch in answer:
                writer.write_batch(batch)
                rows += batch.num_rows
    return answer, rows


def save_table(out: Path, table: pa.Table) -> None:
    """Saves rows in a file that `require_place` found free."""
    with _writer(out, table.schema) as writer:
        writer.write_table(table)


def require_place(out: Path, *, force: bool) -> None:
    """Lets work begin whose result can be saved there.

    Raises:
        RequestInvalidError: if the file's name says no format.
        AlreadyRecordedError: if the file is there already, and `force` is not given.
    """
    if out.suffix not in _WRITERS:
        raise RequestInvalidError("the file ends in .csv, .parquet or .arrow", field="out")
    if out.exists() and not force:
        raise AlreadyRecordedError(f"{out} is there already; --force replaces it", path=str(out))


@contextmanager
def _writer(out: Path, schema: pa.Schema) -> Iterator[Any]:
    """A writer whose file appears under its name only when it is whole."""
    part = out.with_name(f".{out.name}.part")
    try:
        part.unlink(missing_ok=True)
        # Students' records: from its first byte the file is its owner's alone.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:
        raise RequestInvalidError(f"the folder of {out} cannot be written", field="out") from None
    try:
        with pa.OSFile(str(part), "wb") as file, _WRITERS[out.suffix](file, schema) as writer:
            yield writer
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
