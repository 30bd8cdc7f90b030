"""A node that serves attendance from a view, over real gRPC and TLS, from start to answer."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from homeroom.errors import ServiceUnreachableError
from services.node.store import views as views_module
from services.runtime.database import open_database, writing
from tests.contract.node_federation import CANARY_REF, node_federation, today

VIEW = (
    "SELECT pupil AS student_id, 'elm' AS school_id, day AS event_date, 'partial' AS category,"
    " NULL AS duration_days FROM absences"
)


def run(url: str, *statements: str) -> None:
    engine = open_database(url)
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


async def test_a_node_answers_from_the_organizations_database_once_its_view_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then it refuses; what its own records hold of the dataset is never taken instead."""
    monkeypatch.setattr(views_module, "_SECONDS_BETWEEN_CHECKS", 0.05)
    own = f"sqlite:///{tmp_path}/own.db"
    run(own, "CREATE TABLE absence (pupil text, day text)")
    run(own, *(f"INSERT INTO absence VALUES ('{s}', '{today()}')" for s in ("s1", "s2", "s1")))  # noqa: S608  # our own
    folder = tmp_path / "views"
    folder.mkdir()
    (folder / "attendance.sql").write_text(VIEW)

    async with node_federation(tmp_path, views_url=own, views=folder) as federation:
        with pytest.raises(ServiceUnreachableError) as refused:
            await federation.answered(federation.asker.request())
        assert "absences" not in repr((refused.value.message, refused.value.metadata))

        run(own, "ALTER TABLE absence RENAME TO absences")
        async with asyncio.timeout(60):
            while True:
                try:
                    receipt, rows = await federation.answered(federation.asker.request())
                    break
                except ServiceUnreachableError:
                    await asyncio.sleep(0.05)

        assert receipt.row_count == 2
        assert [(row["subject_ref"], row["category"]) for row in rows] == [
            (CANARY_REF, "partial")
        ] * 2
        status = await federation.status()
        assert [one.dataset for one in status.datasets if one.from_view] == ["attendance"]
