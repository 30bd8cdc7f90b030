"""Keeps a source's rows until its receipt is checked: in memory, or sealed in a temporary file."""

import struct
import tempfile
from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa

from homeroom.api.common.v1 import answer_pb2
from homeroom.opening import Asking, SourceOpening

_IN_MEMORY_BYTES = 1024 * 1024
_LENGTH = struct.Struct(">I")


class Keeper(Protocol):
    """Where one source's rows wait."""

    def keep(self, frame: answer_pb2.AnswerFrame, batches: list[pa.RecordBatch]) -> None:
        """Takes a frame and the batches that it completed."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows again, from the first; only once the receipt is checked."""
        ...

    def forget(self) -> None:
        """Lets go of everything."""
        ...


class MemoryKeeper:
    """Keeps opened batches: the quick way, for answers that fit in memory."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []

    def keep(self, frame: answer_pb2.AnswerFrame, batches: list[pa.RecordBatch]) -> None:
        self._batches += batches

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._batches

    def forget(self) -> None:
        self._batches = []


class SealedKeeper:
    """Keeps the sealed frames and opens them a second time, so that no open row is on a disk."""

    def __init__(self, asking: Asking, holder: str) -> None:
        self._asking = asking
        self._holder = holder
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `forget`

    def keep(self, frame: answer_pb2.AnswerFrame, batches: list[pa.RecordBatch]) -> None:
        piece = frame.SerializeToString()
        self._file.write(_LENGTH.pack(len(piece)) + piece)

    def batches(self) -> Iterator[pa.RecordBatch]:
        opening = SourceOpening(self._asking, self._holder)
        self._file.seek(0)
        while length := self._file.read(_LENGTH.size):
            piece = self._file.read(*_LENGTH.unpack(length))
            yield from opening.take(answer_pb2.AnswerFrame.FromString(piece))

    def forget(self) -> None:
        self._file.close()
