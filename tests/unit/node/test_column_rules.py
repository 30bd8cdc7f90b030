"""What reading rows column by column promises: the same as the row rules, or a doubt."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.node.domain.column_rules import ColumnRules
from services.node.domain.record_tables import RECORD_TABLES
from services.node.domain.row_rules import Refusal, RowRules

TABLES = ("student", "enrollment", "attendance", "session", "document")
TEXTS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            *(
                "",
                " ",
                "1",
                " 007 ",
                "true",
                "0",
                "2025-09-01",
                "2025-09-01T00:00:00",
                "2012-02-30",
            ),
            *(
                "female",
                "tardy",
                "white;asian",
                "white;x",
                "KG",
                "1,5",
                "1.5",
                "nan",
                "-3",
                "x" * 2_001,
            ),
            *("Zoë", "Zoe\u0308", "a\x00b", "\udcff", "1066-01-01", "\u3000", "IEP"),
        ]
    ),
    st.text(max_size=5),
)


@settings(max_examples=60)
@given(table=st.sampled_from(TABLES), drawn=st.data())
def test_columns_are_read_as_rows_are_or_the_row_is_doubted(
    table: str, drawn: st.DataObject
) -> None:
    names = RECORD_TABLES[table].column_names
    row = st.tuples(*[TEXTS for _ in names])
    rows = drawn.draw(st.lists(row, min_size=1, max_size=6))
    singly = RowRules(table, names)

    columns, doubtful = ColumnRules(table, names).read(rows)

    assert {len(column) for column in columns} == {len(rows)}
    for place, texts in enumerate(rows):
        values = singly.read(texts)
        if isinstance(values, Refusal) or singly.unknown:
            assert place in doubtful
        else:
            assert place not in doubtful
            assert [column[place] for column in columns] == values


def test_a_remembered_text_stays_what_it_was_however_many_are_met() -> None:
    rules = ColumnRules("attendance", ("student_id", "event_date"))
    rows = [("1", f"{year}-01-{day:02}") for year in range(1900, 2201) for day in range(1, 29)]

    [(_, first), _] = rules.read(rows)
    [(_, again), doubtful] = rules.read(rows)

    assert first == again
    assert [day.isoformat() for day in again] == [text for _, text in rows]
    assert doubtful == set()
