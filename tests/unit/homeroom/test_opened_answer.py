"""Opening an answer: no mutated frame is ever accepted, and no odd stream crashes the reader."""

import datetime as dt
import io
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.answer import Answer, Outcome, Source, answer_schema, with_source
from homeroom.api.common.v1 import answer_pb2
from homeroom.catalog import OBLIGATIONS, STATEMENT, TOLD_BESIDE, dataset_named
from homeroom.errors import EvidenceInvalidError
from homeroom.keeping import MemoryKeeper, SealedKeeper
from homeroom.opening import Asking, SourceOpening
from homeroom.packing import packed
from homeroom.question import Question
from homeroom.rows import RowReader, read_rows
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from homeroom.vocabulary import Element
from tests.contract.scripted_federation import Holder, attendance, pieces_of

ELEMENTS = (Element.SCHOOL_OF_ENROLLMENT, Element.DAILY_ATTENDANCE)
DIGEST = b"\1" * 32
KEY = SealingKey.generate()
HOLDER = Holder("bps", SigningKey.generate(), SealingKey.generate())
ASKING = Asking(
    question=Question(
        agreement_version=1,
        agreement_id="a",
        purpose="p",
        dataset="attendance",
        elements=ELEMENTS,
        everyone=True,
    ),
    requester="dsni",
    query_digest=DIGEST,
    sealing_key=KEY,
)
FRAMES = HOLDER.frames(DIGEST, KEY.public, attendance(6))


def opened(frames: list[answer_pb2.AnswerFrame]) -> answer_pb2.Receipt:
    opening = SourceOpening(ASKING, "bps")
    for frame in frames:
        opening.take(frame)
    return opening.check(answer_pb2.OUTCOME_ANSWERED, HOLDER.signing_key.public)


def read(pieces: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
    return read_rows(pieces, opened(FRAMES), ASKING.question)


def test_an_honest_answer_opens() -> None:
    assert opened(FRAMES).row_count == 6


@settings(max_examples=300)
@given(st.data())
def test_no_mutated_frame_is_accepted(data: st.DataObject) -> None:
    """Flip any bit of any field of any frame: the answer does not open."""
    index = data.draw(st.integers(0, len(FRAMES) - 1))
    frame = answer_pb2.AnswerFrame()
    frame.CopyFrom(FRAMES[index])
    fields = [d.name for d, v in frame.ListFields() if isinstance(v, bytes)]
    field = data.draw(st.sampled_from(fields))
    content = bytearray(getattr(frame, field))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    setattr(frame, field, bytes(content))

    with pytest.raises(EvidenceInvalidError):
        opened([*FRAMES[:index], frame, *FRAMES[index + 1 :]])


@given(st.permutations(range(len(FRAMES))))
def test_frames_open_in_their_order_alone(order: list[int]) -> None:
    """Any other order, however the frames are numbered, does not open."""
    if order == sorted(order):
        return
    shuffled = []
    for place, index in enumerate(order):
        frame = answer_pb2.AnswerFrame()
        frame.CopyFrom(FRAMES[index])
        frame.sequence = place
        shuffled.append(frame)

    with pytest.raises(EvidenceInvalidError):
        opened(shuffled)


@given(st.sets(st.integers(0, len(FRAMES) - 1), min_size=1))
def test_no_frame_can_be_left_out(missing: set[int]) -> None:
    """An answer without some of its frames, renumbered or not, does not open."""
    kept = [frame for i, frame in enumerate(FRAMES) if i not in missing]

    with pytest.raises(EvidenceInvalidError):
        opened(kept)


def test_an_answer_to_another_query_does_not_open() -> None:
    with pytest.raises(EvidenceInvalidError):
        opened(HOLDER.frames(b"\2" * 32, KEY.public, attendance(2)))


def reader() -> RowReader:
    return RowReader(dataset_named("attendance"), ELEMENTS)


@given(st.lists(st.integers(1, 400), max_size=12))
def test_rows_read_the_same_however_they_are_cut(cuts: list[int]) -> None:
    """The pieces of a stream need not respect its messages."""
    content = b"".join(pieces_of(attendance(5)))
    rows, place, found = reader(), 0, []
    for cut in [*cuts, len(content)]:
        found += rows.read(content[place : place + cut])
        place += cut
    rows.finish()

    assert sum(batch.num_rows for batch in found) == 5 == rows.row_count


def test_no_row_is_parsed_before_the_receipt_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged bytes can crash Arrow's reader: it sees only what the holder has signed for."""

    def parsed(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(pa.ipc, "read_message", parsed)
    monkeypatch.setattr(pa.ipc, "read_schema", parsed)

    assert opened(FRAMES).row_count == 6
    with pytest.raises(AssertionError):
        list(read([packed(pieces_of(attendance(2))[0])]))


@pytest.mark.parametrize("rows", [4, 8])
def test_rows_that_the_receipt_does_not_count_are_refused(rows: int) -> None:
    with pytest.raises(EvidenceInvalidError):
        list(read(map(packed, pieces_of(attendance(rows)))))


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("subject_ref", pa.string()), ("behavior", pa.string())]),
        pa.schema([("school_id", pa.string()), ("subject_ref", pa.string())]),
        pa.schema([("subject_ref", pa.string()), ("school_id", pa.int64())]),
        pa.schema([("subject_ref", pa.string()), ("school_id", pa.string())] * 2),
        pa.schema([]),
    ],
)
def test_columns_that_were_not_asked_for_are_refused(schema: pa.Schema) -> None:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema):
        pass

    with pytest.raises(EvidenceInvalidError):
        reader().read(sink.getvalue())


def test_what_goes_beside_a_row_may_come_last() -> None:
    """The words of its obligations and a family's statement, as text and as nothing else."""
    dataset = dataset_named("attendance")
    told = {OBLIGATIONS: "attach_contested_statement", STATEMENT: "I was there."}
    schema = pa.schema([*dataset.schema_of(ELEMENTS), *TOLD_BESIDE])
    batch = pa.RecordBatch.from_pylist([{"subject_ref": "r"} | told], schema=schema)
    (read_back,) = reader().read(b"".join(pieces_of([batch])))
    table = answer_schema(dataset, ELEMENTS)

    assert told.items() <= with_source(read_back, "bps", table).to_pylist()[0].items()
    numbers = schema.set(schema.get_field_index(STATEMENT), pa.field(STATEMENT, pa.int64()))
    other = pa.RecordBatch.from_pylist([{"subject_ref": "r"}], schema=numbers)
    with pytest.raises(EvidenceInvalidError):
        reader().read(b"".join(pieces_of([other])))


def test_a_row_without_a_student_is_refused() -> None:
    schema = dataset_named("attendance").schema_of(ELEMENTS)
    nullable = pa.schema([field.with_nullable(True) for field in schema])
    batch = pa.RecordBatch.from_pylist([{}], schema=nullable)

    with pytest.raises(EvidenceInvalidError):
        reader().read(b"".join(pieces_of([batch])))


def test_rows_that_stop_in_the_middle_are_refused() -> None:
    rows = reader()
    rows.read(b"".join(pieces_of(attendance(2)))[:-40])

    with pytest.raises(EvidenceInvalidError):
        rows.finish()


def test_both_keepers_give_back_the_same_rows() -> None:
    """A sealed keeper opens its frames again to exactly the rows that were opened first."""
    memory, sealed = MemoryKeeper(), SealedKeeper(ASKING, "bps")
    opening = SourceOpening(ASKING, "bps")
    for frame in FRAMES:
        piece = opening.take(frame)
        memory.keep(frame, piece)
        sealed.keep(frame, piece)
    memory.check(read)
    sealed.check(read)

    assert list(memory.batches()) == list(sealed.batches()) != []
    sealed.forget()


def test_pandas_is_asked_for_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandas `to_pandas` says in words what to install."""
    from homeroom.errors import RequestInvalidError  # noqa: PLC0415 - beside its only use

    table = answer_schema(dataset_named("attendance"), ELEMENTS).empty_table()
    answer = Answer(table, {"bps": Source("bps", Outcome.ANSWERED)})
    assert list(answer.to_pandas().columns) == table.column_names
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)

    with pytest.raises(RequestInvalidError, match="pip install pandas"):
        answer.to_pandas()


def test_what_is_printed_of_an_answer_holds_no_row() -> None:
    batch: Any = attendance(1)[0]
    table = pa.Table.from_batches([batch])
    answer = Answer(table, {"bps": Source("bps", Outcome.ANSWERED, receipt=b"secret")})

    assert repr(answer) == "<Answer: 1 rows; bps ANSWERED>"
    assert "secret" not in repr(answer.sources["bps"])
    assert dt.date(2026, 3, 2).isoformat() not in repr(answer)
