"""Packs the pieces of an answer's rows before they are sealed: large ones are compressed.

Rows of students are much alike: an eighth of them goes over the wire, through TLS twice, and into
the holder's copies. Small pieces stay as they are, for how far a few rows shrink would tell
whoever carries them something of what they say.
"""

import pyarrow as pa

from homeroom.errors import EvidenceInvalidError

_CODEC = pa.Codec("zstd", 1)
_SIZE_BYTES = 8
"""What is before a piece: its size, if it is compressed. Eight, so that Arrow reads it in place."""

COMPRESSED_FROM = 16 * 1024
"""The size of the smallest piece that is compressed: some hundred rows."""

MOST_BYTES = 64 * 1024 * 1024
"""How large a piece may become again."""


def packed(piece: bytes | pa.Buffer, compressed_from: int = COMPRESSED_FROM) -> bytes:
    """A piece as it is sealed."""
    if len(piece) >= compressed_from:
        compressed: bytes = _CODEC.compress(piece, asbytes=True)
        if len(compressed) < len(piece):
            return len(piece).to_bytes(_SIZE_BYTES) + compressed
    return b"".join((bytes(_SIZE_BYTES), piece))


def unpacked(packed_piece: bytes) -> pa.Buffer:
    """A piece as it was before.

    Raises:
        EvidenceInvalidError: if it was not packed so, or would be larger than may be.
    """
    size = int.from_bytes(packed_piece[:_SIZE_BYTES])
    if len(packed_piece) < _SIZE_BYTES or size > MOST_BYTES:
        raise EvidenceInvalidError("a piece of the answer is not one")
    content = pa.py_buffer(packed_piece).slice(_SIZE_BYTES)
    if not size:
        return content
    try:
        return _CODEC.decompress(content, size)
    except (pa.ArrowException, OSError) as wrong:
        raise EvidenceInvalidError("a piece of the answer cannot be unpacked") from wrong
