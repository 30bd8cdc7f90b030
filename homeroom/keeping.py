"""Keeps a source's rows until its receipt is checked: in memory, or sealed in a temporary file."""

import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pyarrow as pa

from homeroom.api.common.v1 import answer_pb2
from homeroom.opening import Asking, SourceOpening

_IN_MEMORY_BYTES = 1024 * 1024
_LENGTH = struct.Struct(">I")

ReadRows = Callable[[Iterable[bytes]], Iterator[pa.RecordBatch]]


class Keeper(Protocol):
    """Where one source's rows wait."""

    def keep(self, frame: answer_pb2.AnswerFrame, piece: bytes) -> None:
        """Takes a frame and the piece of the rows that it held."""
        ...

    def check(self, read: ReadRows) -> None:
        """Reads all rows once, now that the receipt is checked.

        Raises:
            EvidenceInvalidError: if they are not what the receipt says.
        """
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, from the first; after `check`."""
        ...

    def forget(self) -> None:
        """Lets go of everything."""
        ...


class MemoryKeeper:
    """Keeps opened pieces: the quick way, for answers that fit in memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._batches: list[pa.RecordBatch] = []

    def keep(self, frame: answer_pb2.AnswerFrame, piece: bytes) -> None:
        if frame.sealed_rows:
            self._pieces.append(piece)

    def check(self, read: ReadRows) -> None:
        self._batches = list(read(self._pieces))
        self._pieces = []

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._batches

    def forget(self) -> None:
        self._pieces, self._batches = [], []


class SealedKeeper:
    """Keeps the sealed frames and opens them again, so that no open row is on a disk."""

    def __init__(self, asking: Asking, holder: str) -> None:
        self._asking = asking
        self._holder = holder
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `forget`
        self._read: ReadRows | None = None

    def keep(self, frame: answer_pb2.AnswerFrame, piece: bytes) -> None:
        content = frame.SerializeToString()
        self._file.write(_LENGTH.pack(len(content)) + content)

    def check(self, read: ReadRows) -> None:
        for _ in read(self._pieces()):
            pass
        self._read = read

    def batches(self) -> Iterator[pa.RecordBatch]:
        if self._read is not None:
            yield from self._read(self._pieces())

    def forget(self) -> None:
        self._file.close()

    def _pieces(self) -> Iterator[bytes]:
        opening = SourceOpening(self._asking, self._holder)
        self._file.seek(0)
        while length := self._file.read(_LENGTH.size):
            content = self._file.read(*_LENGTH.unpack(length))
            if piece := opening.take(answer_pb2.AnswerFrame.FromString(content)):
                yield piece
