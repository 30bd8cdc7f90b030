"""An entry of a log has one way to be written, and nothing else is read as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.audit import AuditEntry, encode_content
from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import leaf_hash

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
ENTRIES = st.builds(
    AuditEntry,
    index=st.integers(0, 2**62),
    at=st.integers(-(2**40), 2**40),
    kind=st.sampled_from(["decided", "released", "a_later_kind"]),
    query_digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
    salt=st.binary(min_size=16, max_size=16),
    content=st.dictionaries(st.text(max_size=5), _VALUES, max_size=4).map(encode_content),
)
EXAMPLE = AuditEntry(7, 1_800_000_000, "decided", "ab" * 32, bytes(16), '{"rows":3}')


@given(ENTRIES)
def test_an_entry_reads_back_from_its_bytes(entry: AuditEntry) -> None:
    """Whatever its content says; and its leaf is the hash of exactly those bytes."""
    assert AuditEntry.decode(entry.encode()) == entry
    assert entry.leaf() == leaf_hash(entry.encode())
    assert encode_content(entry.said) == entry.content


@given(ENTRIES, st.data())
def test_no_other_bytes_read_as_the_same_entry(entry: AuditEntry, data: st.DataObject) -> None:
    """One byte more, less or another: it is refused, or it is another entry."""
    written = bytearray(entry.encode())
    place = data.draw(st.integers(0, len(written) - 1))
    match data.draw(st.sampled_from(["changed", "dropped", "added"])):
        case "changed":
            written[place] ^= data.draw(st.integers(1, 255))
        case "dropped":
            del written[place]
        case _:
            written.insert(place, data.draw(st.integers(0, 255)))
    if bytes(written) == entry.encode():
        return
    try:
        read = AuditEntry.decode(bytes(written))
    except EvidenceInvalidError:
        return
    assert read != entry
    assert read.encode() == bytes(written)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'{"rows":3}', b'{"rows": 3}'),
        (b'{"rows":3}', b'{"rows":3,"rows":3}'),
        (b'{"rows":3}', b'{"rows":NaN}'),
        (b'{"rows":3}', b'{"b":1,"a":2}'),
        (b'{"rows":3}', '{"näme":3}'.encode()),
        (b'{"rows":3}', b"{" * 100_000),
        (b'{"rows":3}', b'{"rows":3'),
        (b'"index":7', b'"index":07'),
        (b'"index":7', b'"index":-7'),
        (b'"salt":"00', b'"salt":"'),
        (b'"kind":"decided"', b'"kind":"de cided"'),
        (b"ab", b"AB"),
    ],
)
def test_what_is_not_written_exactly_is_refused(written: bytes, instead: bytes) -> None:
    """Blanks, a key twice, another order, letters beyond ASCII, numbers with zeros before."""
    assert AuditEntry.decode(EXAMPLE.encode()) == EXAMPLE
    with pytest.raises(EvidenceInvalidError):
        AuditEntry.decode(EXAMPLE.encode().replace(written, instead, 1))
