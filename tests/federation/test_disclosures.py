"""A family reads who saw its child's records, and gets what left, between real processes."""

import asyncio

import pyarrow as pa
import pytest

from deploy.local.founding import trained_user
from homeroom.api.node.v1.disclosure_service_pb2 import DisclosureEntry
from homeroom.catalog import SUBJECT_REF
from homeroom.disclosure_desk import DisclosureDesk, Viewer, Wanted
from homeroom.disclosure_report import text_of
from homeroom.errors import NotPermittedError
from homeroom.profile import load_profile
from tests.federation.records import HARBOR, LEAP_DAY
from tests.federation.running import ASKER, Federation, token_of

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

PARENT = Viewer(view="family", relation="parent", person="Marta O'Łukaszewicz", identified=True)
OF_CHILD = Wanted(student_id=LEAP_DAY.student_id)


def desk(federation: Federation, role: str = "registrar") -> DisclosureDesk:
    token = token_of(federation.layout, trained_user(HARBOR, "rosa.lima", role))
    profile = load_profile(federation.layout.profile(HARBOR))
    return DisclosureDesk(profile.model_copy(update={"user_token": token}))


def read(federation: Federation, viewer: Viewer, role: str = "registrar") -> list[DisclosureEntry]:
    async def entries() -> list[DisclosureEntry]:
        async with desk(federation, role) as reading:
            return [entry async for entry in reading.entries(viewer, OF_CHILD)]

    return asyncio.run(entries())


def copied(federation: Federation, log_index: int) -> tuple[pa.Table, bool]:
    async def fetched() -> tuple[pa.Table, bool]:
        async with desk(federation) as reading:
            return await reading.copy(PARENT, LEAP_DAY.student_id, log_index)

    return asyncio.run(fetched())


def test_a_family_reads_what_left_and_gets_exactly_that(federation: Federation) -> None:
    """34 CFR 99.32(c) and 99.30(c): the entry of this answer, and its own rows of it."""
    answer = federation.attendance()
    (ref,) = federation.refs(LEAP_DAY)
    entry = read(federation, PARENT)[-1]
    rows, proved = copied(federation, entry.log_index)

    assert (entry.requester, entry.event) == (ASKER, "disclosure")
    assert entry.released == ["daily_attendance", "school_of_enrollment"]
    assert entry.consent_ids == [federation.consents[LEAP_DAY].consent_id]
    told = text_of("Record", [entry])
    assert "the family allowed it" in told
    assert "What left: daily attendance, school of enrollment\n" in told
    left = [row for row in answer.table.to_pylist() if row[SUBJECT_REF] == ref]
    kept = [name for name in rows.column_names if name in answer.table.column_names]
    assert rows.select(kept).to_pylist() == [{name: row[name] for name in kept} for row in left]
    assert proved


def test_nobody_else_reads_it(federation: Federation) -> None:
    """Not a teacher, not a person whom nobody identified, and no partner of the district."""
    unknown = Viewer(view="family", relation="parent", person="Marta O'Łukaszewicz")
    for viewer, role in ((Viewer(), "teacher"), (unknown, "registrar"), (PARENT, "teacher")):
        with pytest.raises(NotPermittedError):
            read(federation, viewer, role)

    token = token_of(federation.layout, trained_user(ASKER, "sam", "registrar"))
    partner = load_profile(federation.layout.profile(ASKER))
    district = load_profile(federation.layout.profile(HARBOR))
    asking = partner.model_copy(update={"user_token": token, "node": district.node})

    async def ask() -> None:
        async with DisclosureDesk(asking) as reading:
            async for _ in reading.entries(Viewer(), OF_CHILD):
                pass

    with pytest.raises(NotPermittedError):
        asyncio.run(ask())
