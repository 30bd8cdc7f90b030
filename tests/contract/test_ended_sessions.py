"""What reading for answers promises where PostgreSQL ends sessions, as it does when it restarts."""

from sqlalchemy import text

from homeroom.vocabulary import Element
from services.runtime.database import open_database
from tests.contract.holding import Holding, event, held, selection, student
from tests.contract.node_stores import Urls, both_in_one
from tests.postgres import Postgres

_END_ALL_OTHERS = text("""
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
""")


async def test_a_question_after_the_server_ended_every_session_is_answered(
    postgres: Postgres,
) -> None:
    """Also the session by which all later ones know the server's types is over then."""
    url = postgres.prepared_database(both_in_one)
    with held(Urls(url, url)) as holding:
        holding.add("student", student("ana"))
        holding.add("attendance", event("ana"))
        holding.grant("ana", Element.DAILY_ATTENDANCE)

        assert await _rows(holding) == 1
        assert _end_sessions(url) >= 1
        assert await _rows(holding) == 1


async def _rows(holding: Holding) -> int:
    reader = await holding.store.open(selection())
    rows = 0
    while batches := await reader.next_batches():
        rows += sum(batch.num_rows for batch in batches)
    await reader.close()
    return rows


def _end_sessions(url: str) -> int:
    engine = open_database(url)
    with engine.connect() as connection:
        ended: int = connection.scalar(_END_ALL_OTHERS)
    engine.dispose()
    return ended
