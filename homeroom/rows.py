"""Reads the pieces of one Arrow IPC stream into record batches, as they come."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from homeroom.api.common.v1 import answer_pb2
from homeroom.catalog import TOLD_BESIDE, Dataset, dataset_named
from homeroom.errors import EvidenceInvalidError
from homeroom.levels import schema_at
from homeroom.packing import MOST_BYTES, unpacked
from homeroom.question import Level, Question

_CONTINUATION = b"\xff\xff\xff\xff"
_BESIDE = frozenset(field.name for field in TOLD_BESIDE)
_END_OF_STREAM = _CONTINUATION + b"\x00\x00\x00\x00"


def read_rows(
    pieces: Iterable[bytes], receipt: answer_pb2.Receipt, question: Question
) -> Iterator[pa.RecordBatch]:
    """The rows of an answer whose receipt was checked, from its pieces as they were sealed.

    Raises:
        EvidenceInvalidError: if the receipt counts other rows, or they have other columns.
    """
    if receipt.row_count and question.validate_only:
        raise EvidenceInvalidError("rows came where none were asked for")
    dataset = dataset_named(question.dataset)
    reader = RowReader(dataset, receipt.released_elements, question.level)
    for piece in pieces:
        yield from reader.read(unpacked(piece))
    reader.finish()
    if receipt.row_count != reader.row_count:
        raise EvidenceInvalidError("the receipt counts other rows")
    released = set(schema_at(question.level, dataset, receipt.released_elements).names)
    if reader.schema is not None and set(reader.schema.names) - _BESIDE != released:
        raise EvidenceInvalidError("the columns are not those of the released elements")


class RowReader:
    """One holder's rows: a schema first, then batches; a batch may come in several pieces.

    The pieces are of a holder that has signed for them. Still, what is not a stream of columns that
    may come is refused, and each batch is checked before anything reads it.
    """

    def __init__(
        self, dataset: Dataset, elements: Iterable[str], level: Level = Level.STUDENT
    ) -> None:
        allowed = schema_at(level, dataset, elements)
        self._first = allowed.names[0]
        beside = TOLD_BESIDE if level is Level.STUDENT else ()
        self._allowed = {field.name: field.type for field in (*allowed, *beside)}
        self._waiting = pa.py_buffer(b"")
        self._ended = False
        self.schema: pa.Schema | None = None
        self.row_count = 0

    def read(self, piece: bytes | pa.Buffer) -> list[pa.RecordBatch]:
        """The batches that this piece completes.

        Raises:
            EvidenceInvalidError: if the stream is not what an answer may be.
        """
        waiting = b"".join((self._waiting, piece)) if self._waiting.size else piece
        self._waiting = pa.py_buffer(waiting)
        batches = list(self._batches())
        if self._waiting.size > MOST_BYTES:
            raise EvidenceInvalidError("a batch of the answer is larger than may be")
        self.row_count += sum(batch.num_rows for batch in batches)
        return batches

    def finish(self) -> None:
        """Says that no piece follows.

        Raises:
            EvidenceInvalidError: if the stream stops inside a batch.
        """
        if self._waiting.size:
            raise EvidenceInvalidError("the answer's rows stop in the middle")

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while (message := self._next_message()) is not None:
            try:
                if self.schema is None:
                    self.schema = self._checked(pa.ipc.read_schema(message))
                else:
                    batch = pa.ipc.read_record_batch(message, self.schema)
                    # Offsets that point outside would crash the process, not raise.
                    batch.validate(full=True)
                    if batch.column(0).null_count:
                        raise EvidenceInvalidError("a row of the answer is about nothing")
                    yield batch
            except (pa.ArrowException, OSError, ValueError, TypeError) as wrong:
                raise EvidenceInvalidError("the answer's rows cannot be read") from wrong

    def _next_message(self) -> pa.Message | None:
        if not self._waiting.size:
            return None
        if self._ended:
            raise EvidenceInvalidError("the answer has rows after its end")
        head = self._waiting[: len(_END_OF_STREAM)].to_pybytes()
        if head == _END_OF_STREAM:
            self._ended = True
            self._waiting = self._waiting.slice(len(_END_OF_STREAM))
            return self._next_message()
        if not _CONTINUATION.startswith(head[: len(_CONTINUATION)]):
            raise EvidenceInvalidError("the answer's rows are no Arrow stream")
        source = pa.BufferReader(self._waiting)
        try:
            message = pa.ipc.read_message(source)
        except (pa.ArrowException, OSError, EOFError):
            # It is not whole yet; what never becomes whole is refused at the end.
            return None
        self._waiting = self._waiting.slice(source.tell())
        return message

    def _checked(self, schema: pa.Schema) -> pa.Schema:
        names = schema.names
        if len(set(names)) != len(names) or not names or names[0] != self._first:
            raise EvidenceInvalidError("the answer's columns are not those of the catalog")
        if any(self._allowed.get(field.name) != field.type for field in schema):
            raise EvidenceInvalidError("the answer has a column that was not asked for")
        return schema
