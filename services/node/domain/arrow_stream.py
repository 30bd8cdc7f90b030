"""An Arrow stream that is handed out while it is written, to be sealed piece by piece."""

import io

import pyarrow as pa

END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""The last piece of a stream that has a batch (Arrow's IPC format, end of stream)."""


class ArrowStream:
    """Writes one Arrow IPC stream and hands it out piece by piece."""

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = io.BytesIO()
        self._writer = pa.ipc.new_stream(self._sink, schema)

    def piece(self, batch: pa.RecordBatch) -> bytes:
        self._writer.write_batch(batch)
        return self._taken()

    def end(self) -> bytes:
        self._writer.close()
        return self._taken()

    def _taken(self) -> bytes:
        piece = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return piece
