"""Whatever was done to an exported log is found, and named with the entry that it was done to."""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.audit import AuditEntry, encode_content
from homeroom.audit.checkpoint import Checkpoint, cosign, sign_checkpoint, witness_key
from homeroom.audit.exported import Header, entry_line, export_lines, verify_export
from homeroom.audit.findings import FAULT_TEXT, Fault, Finding, Subject
from homeroom.audit.note import NoteKey
from homeroom.audit.verifying import LogKeys, Verified
from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import tree_of
from homeroom.signing import SigningKey

ORIGIN = "homeroom/test.example/anytown/log"
WITNESS = "homeroom/test.example/witness"
KEY, OTHER, WITNESSING = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
KEYS = LogKeys(KEY.public, (witness_key(WITNESS, WITNESSING.public),))
AT = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
SIZE, SIGNED = 20, (0, 7, 20)

Lines = list[bytes]
E_ = Subject.ENTRY
C_ = Subject.CHECKPOINT


def entry(index: int, said: str = "what was decided") -> AuditEntry:
    content = encode_content({"said": said, "number": index})
    return AuditEntry(index, 1_800_000_000 + index, "decided", f"{index:064x}", bytes(16), content)


def note(entries: Sequence[AuditEntry], size: int, key: SigningKey = KEY) -> str:
    """A checkpoint of the first entries, signed and cosigned."""
    root = tree_of([one.leaf() for one in entries[:size]])[0]
    signed = sign_checkpoint(Checkpoint(ORIGIN, size, root), ORIGIN, key)
    return signed + cosign(signed, WITNESS, WITNESSING, AT)


def exported(entries: Sequence[AuditEntry], sizes: Sequence[int] = SIGNED) -> Lines:
    header = Header(ORIGIN, len(entries), KEY.public)
    pairs = [(one, one.leaf()) for one in entries]
    return list(export_lines(header, pairs, [note(entries, size) for size in sizes]))


ENTRIES = [entry(index) for index in range(SIZE)]
LINES = exported(ENTRIES)
BARE = [
    *export_lines(
        Header(ORIGIN, SIZE, KEY.public),
        [(one, one.leaf()) for one in ENTRIES],
        [note(ENTRIES, size).rpartition("\N{EM DASH} ")[0] for size in SIGNED],
    )
]
"""The same without cosignatures: one whose name was changed is of a witness whom nobody knows."""
PLACES = [at for at, line in enumerate(LINES) if line.startswith(b'{"entry"')]
"""The line of each entry."""


def verified(lines: Sequence[bytes], *others: str) -> Verified:
    return verify_export(lines, KEYS, others)


def found(lines: Sequence[bytes], *others: str) -> list[tuple[Fault, int, int, Subject]]:
    findings = verified(lines, *others).findings
    return [(one.fault, one.first, one.last, one.subject) for one in findings]


def test_a_whole_log_is_told_with_its_root_its_signatures_and_its_witnesses() -> None:
    whole = verified(LINES)

    assert whole.findings == ()
    assert (whole.origin, whole.size, whole.signed_size) == (ORIGIN, SIZE, SIZE)
    assert whole.root == tree_of([one.leaf() for one in ENTRIES])[0]
    assert whole.checkpoints == len(SIGNED)
    assert [(one.witness, one.size, one.at) for one in whole.witnessed] == [(WITNESS, SIZE, AT)]


def test_an_empty_log_is_whole() -> None:
    assert verified(exported([], [0])).findings == ()


def test_without_the_logs_key_the_files_own_is_used() -> None:
    """It shows that the file is in order; whose it is, only a key from elsewhere shows."""
    assert verify_export(LINES, LogKeys()).signed_size == SIZE
    nameless = [Header(ORIGIN, SIZE, b"").encode() + b"\n", *LINES[1:]]
    unsigned = verify_export(nameless, LogKeys())
    assert (unsigned.findings, unsigned.signed_size, unsigned.checkpoints) == ((), 0, 3)


def rewritten(lines: Lines, index: int, **changed: object) -> Lines:
    """The same with one entry changed, and its hash made anew."""
    line = json.loads(lines[PLACES[index]])["entry"]
    new = json.dumps({**line, **changed}, sort_keys=True, separators=(",", ":")).encode()
    entry = AuditEntry.decode(new)
    lines[PLACES[index]] = entry_line(entry, entry.leaf())
    return lines


@pytest.mark.parametrize(
    "field", ["at", "content", "index", "kind", "query_digest", "salt", "leaf", "said", "number"]
)
@pytest.mark.parametrize("index", [0, 9, SIZE - 1])
def test_a_flipped_byte_in_any_field_is_a_changed_entry(field: str, index: int) -> None:
    lines = list(LINES)
    line = bytearray(lines[PLACES[index]])
    value = line.index(b'"%b":' % field.encode()) + len(field) + 3
    value += line[value] in b'"{'
    line[value] = line[value] ^ 1
    lines[PLACES[index]] = bytes(line)

    assert found(lines) == [(Fault.CHANGED, index, index, E_)]


@pytest.mark.parametrize("index", [0, 5, 6, 7, 12, SIZE - 1])
def test_an_entry_that_is_rewritten_with_its_hash_is_another_history(index: int) -> None:
    """The checkpoint above it tells between which sizes it was."""
    lines = rewritten(list(LINES), index, content={"said": "something else"})
    below, above = (0, 6) if index < 7 else (7, 19)

    assert found(lines) == [(Fault.FORKED, below, above, E_)]


@pytest.mark.parametrize("index", [0, 3, 7, SIZE - 2])
def test_a_dropped_entry_is_missing(index: int) -> None:
    lines = list(LINES)
    del lines[PLACES[index]]

    assert found(lines) == [(Fault.MISSING, index, index, E_)]


def test_several_dropped_entries_are_told_as_one() -> None:
    lines = [line for at, line in enumerate(LINES) if at not in PLACES[3:6] + PLACES[9:10]]

    assert found(lines) == [(Fault.MISSING, 3, 5, E_), (Fault.MISSING, 9, 9, E_)]


@pytest.mark.parametrize(
    ("first", "second", "moved"),
    [(0, 1, [(0, 0)]), (4, 5, [(4, 4)]), (18, 19, [(18, 18)]), (2, 17, [(3, 16), (2, 2)])],
)
def test_entries_that_changed_places_are_named(
    first: int, second: int, moved: list[tuple[int, int]]
) -> None:
    """Every one that stands after one that it belongs before."""
    lines = list(LINES)
    a, b = PLACES[first], PLACES[second]
    lines[a], lines[b] = lines[b], lines[a]

    assert found(lines) == [(Fault.MOVED, low, high, E_) for low, high in moved]


@pytest.mark.parametrize("kept", [0, 3, 7, 12, SIZE - 1])
def test_a_log_that_was_cut_off_is_told_how_long_it_was(kept: int) -> None:
    """By its first line; where that was changed too, by a checkpoint that someone else has."""
    lines = LINES[: PLACES[kept]]
    shortened = [Header(ORIGIN, kept, KEY.public).encode() + b"\n", *lines[1:]]

    assert found(lines) == [(Fault.CUT_OFF, kept, SIZE - 1, E_)]
    assert found(shortened) == []
    assert found(shortened, note(ENTRIES, 20)) == [(Fault.CUT_OFF, kept, SIZE - 1, E_)]


def test_entries_cut_off_below_a_checkpoint_of_the_file_itself() -> None:
    lines = [line for at, line in enumerate(LINES) if at not in PLACES[15:]]
    lines[0] = Header(ORIGIN, 15, KEY.public).encode() + b"\n"

    assert found(lines) == [(Fault.CUT_OFF, 15, SIZE - 1, E_)]


def test_more_entries_than_the_first_line_says() -> None:
    lines = [Header(ORIGIN, 18, KEY.public).encode() + b"\n", *LINES[1:]]

    assert found(lines) == [(Fault.CHANGED, 18, 19, Subject.FILE)]


@pytest.mark.parametrize("at_size", [8, 12, SIZE])
def test_a_fork_is_found_by_the_checkpoint_that_another_was_shown(at_size: int) -> None:
    """Two histories, each with all its hashes and signatures right."""
    other = [*ENTRIES[:5], *(entry(index, "another") for index in range(5, SIZE))]
    assert verified(exported(other)).findings == ()

    told = found(exported(other, [4, 20]), note(ENTRIES, at_size))
    assert (Fault.FORKED, 4, at_size - 1, E_) in told
    assert {fault for fault, *_ in told} == {Fault.FORKED}


@pytest.mark.parametrize("again", [0, 6, SIZE - 1])
def test_an_entry_that_stands_there_twice_is_repeated(again: int) -> None:
    lines = list(LINES)
    lines.insert(PLACES[again] + 1, lines[PLACES[again]])

    assert found(lines) == [(Fault.REPEATED, again, again, E_)]


def test_an_entry_that_is_appended_once_more_under_another_index_is_repeated() -> None:
    """A replay: the same kind of entry about the same query stands in a log once."""
    replayed = [*ENTRIES, replace(ENTRIES[4], index=SIZE)]

    assert found(exported(replayed, [7, 21])) == [(Fault.REPEATED, SIZE, SIZE, E_)]


def test_another_entry_in_the_same_place_is_of_another_history() -> None:
    other = entry(6, "another")
    other = replace(other, query_digest="f" * 64)
    lines = list(LINES)
    lines.insert(PLACES[6] + 1, entry_line(other, other.leaf()))

    assert found(lines) == [(Fault.FORKED, 6, 6, E_)]


Change = Callable[[Lines], Lines]


def checkpoint_lines(lines: Lines) -> list[int]:
    return [at for at, line in enumerate(lines) if line.startswith(b'{"checkpoint"')]


def test_a_repeated_a_moved_and_a_foreign_checkpoint_are_named_by_their_size() -> None:
    at = checkpoint_lines(LINES)[1]
    twice = [*LINES[: at + 1], LINES[at], *LINES[at + 1 :]]
    later = [*LINES[:at], *LINES[at + 1 : at + 3], LINES[at], *LINES[at + 3 :]]
    earlier = [*LINES[: at - 2], LINES[at], *LINES[at - 2 : at], *LINES[at + 1 :]]
    elsewhere = sign_checkpoint(Checkpoint("other/log", 7, bytes(32)), "other/log", KEY)
    foreign = json.dumps({"checkpoint": elsewhere}, separators=(",", ":")).encode() + b"\n"

    assert found(twice) == [(Fault.REPEATED, 7, 7, C_)]
    assert found(later) == [(Fault.MOVED, 7, 7, C_)]
    assert found(earlier) == [(Fault.MOVED, 7, 7, C_)]
    assert found([*LINES[:at], foreign, *LINES[at + 1 :]]) == [(Fault.FOREIGN, 7, 7, C_)]


def test_two_signed_checkpoints_of_one_size_are_a_fork() -> None:
    """The log's own key signed both: nobody else can have."""
    other = note([*ENTRIES[:5], entry(5, "another"), *ENTRIES[6:]], 7)

    assert found(LINES, other) == [(Fault.FORKED, 0, 6, E_), (Fault.FORKED, 7, 7, C_)]


def test_a_checkpoint_that_another_key_signed_is_not_the_logs() -> None:
    assert found(LINES, note(ENTRIES, 9, OTHER)) == [(Fault.UNSIGNED, 9, 9, C_)]
    assert found(exported(ENTRIES), note(ENTRIES, 9)) == []


@pytest.mark.parametrize("size", SIGNED)
def test_a_flipped_byte_in_a_checkpoint_is_found(size: int) -> None:
    """Name, size, root or signature; a cosignature whose name it changes is nobody's."""
    lines = exported(ENTRIES, [size])
    (at,) = checkpoint_lines(lines)
    for place in range(len(b'{"checkpoint":"'), len(lines[at]) - 3):
        flipped = bytearray(lines[at])
        flipped[place] ^= 1
        told = verified([*lines[:at], bytes(flipped), *lines[at + 1 :]])
        subjects = {one.subject for one in told.findings}
        assert C_ in subjects if subjects else not told.witnessed, place


def test_a_flipped_byte_in_the_first_line_is_found() -> None:
    for place in range(len(LINES[0])):
        flipped = bytearray(LINES[0])
        flipped[place] ^= 1
        try:
            assert found([bytes(flipped), *LINES[1:]]) or place in KEY_PLACES
        except EvidenceInvalidError:
            continue


KEY_PLACES = range(LINES[0].index(b'":"') + 3, LINES[0].index(b'","'))
"""Where the first line names the key; whoever verifies has that from elsewhere."""


@pytest.mark.parametrize("beginning", [b"", b"\n", b"{}\n", b"[]\n", LINES[1], b"\xff\n"])
def test_what_does_not_begin_as_an_exported_log_is_refused(beginning: bytes) -> None:
    with pytest.raises(EvidenceInvalidError):
        verified([beginning, *LINES[1:]])


@dataclass(frozen=True)
class Mutation:
    """One thing done to an exported log, and the lines that come of it."""

    what: str
    lines: Lines


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """A byte flipped, a line dropped, doubled or moved, or the end cut off; below the first."""
    lines = list(BARE)
    at = draw(st.integers(1, len(lines) - 1))
    what = draw(st.sampled_from(["flipped", "dropped", "doubled", "moved", "cut"]))
    match what:
        case "flipped":
            flipped = bytearray(lines[at])
            flipped[draw(st.integers(0, len(flipped) - 1))] ^= 1 << draw(st.integers(0, 7))
            lines[at] = bytes(flipped)
        case "dropped":
            del lines[draw(st.sampled_from(PLACES))]
        case "doubled":
            lines.insert(draw(st.integers(1, len(lines))), lines[at])
        case "moved":
            line = lines.pop(draw(st.sampled_from(PLACES)))
            lines.insert(draw(st.integers(1, len(lines))), line)
        case _:
            text = b"".join(lines)
            kept = text[: draw(st.integers(len(lines[0]), len(text) - 1))]
            lines = kept.splitlines(keepends=True)
    return Mutation(what, lines)


@given(mutations())
def test_whatever_is_done_to_a_log_is_found(mutation: Mutation) -> None:
    """And each finding is about an entry or a checkpoint that the log had."""
    if mutation.lines == BARE:
        return
    findings = verified(mutation.lines).findings
    lost_at_the_end = mutation.what == "cut" and mutation.lines == BARE[:-1]

    assert findings or lost_at_the_end
    assert all(0 <= one.first <= one.last <= SIZE for one in findings)


def test_every_fault_is_told_in_words() -> None:
    assert set(FAULT_TEXT) == set(Fault)
    for fault in Fault:
        for subject in Subject:
            assert FAULT_TEXT[fault] in Finding(fault, 3, 5, subject).told()
            assert "3" in Finding(fault, 3, 3, subject).told()


def test_a_verifier_key_reads_back_and_nothing_else_does() -> None:
    key = NoteKey(ORIGIN, KEY.public)
    written = key.verifier_key()

    assert NoteKey.parse(written) == key
    for wrong in ("", written[:-4], written + "\n", written.replace("+", " ", 1), "a+b+c"):
        with pytest.raises(EvidenceInvalidError):
            NoteKey.parse(wrong)
