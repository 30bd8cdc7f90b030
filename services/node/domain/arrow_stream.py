"""An Arrow stream that is handed out while it is written, to be sealed piece by piece."""

import pyarrow as pa

END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""The last piece of a stream (Arrow's IPC format, end of stream)."""


class ArrowStream:
    """Writes one Arrow IPC stream and hands it out piece by piece; the schema is in the first."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._begun = False

    def piece(self, batch: pa.RecordBatch) -> bytes | pa.Buffer:
        """A batch as a message of the stream."""
        # No column of the catalog has a dictionary, which would have to go before its batch.
        return self._after_schema(batch.serialize())

    def end(self) -> bytes | pa.Buffer:
        """What follows the last batch."""
        return self._after_schema(END)

    def _after_schema(self, message: bytes | pa.Buffer) -> bytes | pa.Buffer:
        if self._begun:
            return message
        self._begun = True
        return b"".join((self._schema.serialize(), message))


def batch_in(piece: bytes | pa.Buffer, schema: pa.Schema) -> pa.RecordBatch:
    """The batch of a piece that this module wrote, the first or a later one."""
    source = pa.BufferReader(piece)
    message = pa.ipc.read_message(source)
    if message.type == "schema":
        message = pa.ipc.read_message(source)
    return pa.ipc.read_record_batch(message, schema)
