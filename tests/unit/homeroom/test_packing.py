"""Packed pieces come out as they went in; what is none is refused, whatever size it claims."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import EvidenceInvalidError
from homeroom.packing import COMPRESSED_FROM, MOST_BYTES, packed, unpacked

LARGE = b"in_attendance, " * COMPRESSED_FROM


@given(st.binary(max_size=200), st.sampled_from([1, COMPRESSED_FROM]), st.booleans())
def test_a_piece_comes_out_as_it_went_in(piece: bytes, times: int, buffered: bool) -> None:
    whole = piece * times

    assert unpacked(packed(pa.py_buffer(whole) if buffered else whole)).to_pybytes() == whole


def test_a_large_piece_shrinks_and_a_small_one_tells_nothing_by_its_size() -> None:
    small = LARGE[: COMPRESSED_FROM - 1]

    assert len(packed(LARGE)) < len(LARGE) / 8
    assert len(packed(small)) == len(packed(small[::-1])) == len(small) + 8


def test_what_an_uncompressed_piece_holds_is_read_in_place() -> None:
    """Arrow's buffers are to begin where eight bytes do."""
    sealed = packed(b"few rows")

    assert unpacked(sealed).address == pa.py_buffer(sealed).address + 8


@pytest.mark.parametrize("claimed", [1, len(LARGE) - 1, len(LARGE) + 1, MOST_BYTES + 1, 2**64 - 1])
def test_a_piece_of_another_size_than_it_says_is_refused(claimed: int) -> None:
    """Nor is memory taken for what only claims to be large."""
    with pytest.raises(EvidenceInvalidError):
        unpacked(claimed.to_bytes(8) + packed(LARGE)[8:])


@pytest.mark.parametrize("piece", [b"", b"\0" * 7, (100).to_bytes(8) + b"no compressed piece"])
def test_what_is_no_packed_piece_is_refused(piece: bytes) -> None:
    with pytest.raises(EvidenceInvalidError):
        unpacked(piece)
