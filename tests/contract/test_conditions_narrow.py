"""Neither another condition nor an adverse fact ever adds a value to an answer."""

import asyncio
import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from homeroom.catalog import SUBJECT_REF
from homeroom.checks import RowCondition
from homeroom.vocabulary import Element
from services.node.domain.consent_book import Narrowed, Revoked
from services.node.domain.consents import Withdrawn
from services.node.domain.selection import Relation, RightsClaim, Selection
from services.node.store.consent_tables import STUDENT_RIGHTS
from services.node.store.matter_tables import MATTER, MATTER_STUDENT
from services.node.store.rights import RightsKind
from services.runtime.database import open_database, writing
from tests.contract.holding import MONDAY, Holding, held, selection, student
from tests.contract.node_stores import Urls, new_files
from tests.organizations import NOW

NAME, ADDRESS, SPED = Element.NAME, Element.ADDRESS, Element.SPED_STATUS
ELEMENTS = (NAME, ADDRESS, SPED)
WORDS = sorted(RowCondition)
NOW_SECONDS = int(NOW.timestamp())
TODAY = NOW.date()
MATTER_ROW: Mapping[str, Any] = {
    "matter_key": 1,
    "matter_id": "m",
    "kind": "transfer",
    "requester": "helpers",
    "valid_from": NOW_SECONDS,
    "valid_to": NOW_SECONDS,
    "facts": "{}",
    "entered_by": "clerk",
    "entered_at": NOW_SECONDS,
    "evidence_digest": "",
}
Adverse = Callable[[Holding], None]


def everything_speaks_for(holding: Holding) -> None:
    """Ana and Ben, of whom every condition that can hold does."""
    facts = {"birth_date": dt.date(2014, 3, 1), "homeless": False, "special_education": False}
    told = {"given_name": "A", "street_address": "1 Elm St"}
    holding.add("student", *({**student(name), **facts, **told} for name in ("ana", "ben")))
    holding.name("ana", "ben")
    holding.put(MATTER, dict(MATTER_ROW))
    for name in ("ana", "ben"):
        holding.put(MATTER_STUDENT, {"matter_key": 1, "student_key": holding.keys[name]})
        for recipient in ("helpers", "onward"):
            holding.grant(name, *ELEMENTS, recipient=recipient, named=frozenset(ELEMENTS))


def _changed(holding: Holding, **values: Any) -> None:
    engine = open_database(holding.urls.state)
    with writing(engine) as connection:
        connection.execute(update(MATTER).values(**values))
    engine.dispose()


def _noted(holding: Holding, kind: RightsKind) -> None:
    row = {"student_key": holding.keys["ana"], "kind": kind.value, "person": "X"}
    holding.put(STUDENT_RIGHTS, row | {"from_day": TODAY})


def _told(**values: Any) -> Adverse:
    return lambda holding: holding.add("student", {"student_id": "ana", **values})


def _status(name: str) -> Adverse:
    row = {"student": "ana", "status": name, "begin_date": MONDAY}
    return lambda holding: holding.add("student_status", row)


def _opt_out(element: str) -> Adverse:
    return lambda holding: holding.add("directory_opt_out", {"student": "ana", "element": element})


NOTHING: frozenset[str] = frozenset()
ADVERSE: dict[str, Adverse] = {
    "revoked": lambda h: h.apply(Revoked("c1", NOW)),
    "revoked for another": lambda h: h.apply(Revoked("c2", NOW)),
    "narrowed": lambda h: h.apply(Narrowed("c1", Withdrawn(frozenset({NAME}), NOTHING), NOW)),
    "opted out": _opt_out("address"),
    "opted out of all": _opt_out("all"),
    "homeless": _told(homeless=True),
    "home not known": _told(homeless=None),
    "in a shelter": _told(nighttime_residence="shelter"),
    "homeless for a time": _status("homeless"),
    "disability": _told(special_education=True),
    "disability not known": _told(special_education=None),
    "disability for a time": _status("special_education"),
    "age not known": _told(birth_date=None),
    "moved away": _told(school_id="oak"),
    "matter ended": lambda h: _changed(h, ended_at=NOW_SECONDS),
    "matter over": lambda h: _changed(h, valid_to=NOW_SECONDS - 1),
    "court": lambda h: _noted(h, RightsKind.COURT_LIMIT),
    "college": lambda h: _noted(h, RightsKind.POSTSECONDARY),
}


def _fact_told(adverse: str) -> str:
    """What it is about: a fact told after it was not known fills a value, and widens nothing."""
    return "disability" if adverse.startswith("disability") else adverse


words = st.frozensets(
    st.sampled_from(
        [w for w in WORDS if w not in ("aggregated", "deidentified", "survey_consented")]
    ),
    max_size=4,
)


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    """A question about some elements, each of which waits for some words."""
    chosen = selection(
        "students",
        conditions={element: draw(words) for element in ELEMENTS},
        matter_key=1,
        onward_to=frozenset({"onward"}),
        caseload=draw(st.sampled_from([None, ("ref-ana",), ("ref-ana", "ref-ben")])),
        sources={element: frozenset({NAME}) for element in ELEMENTS},
        rights=RightsClaim(Relation.PARENT),
    )
    ages = draw(st.dictionaries(st.sampled_from(ELEMENTS), st.sampled_from([5, 10])))
    return replace(chosen, min_ages=ages)


async def values(holding: Holding, chosen: Selection) -> set[tuple[str, str]]:
    """Every student and column that has a value; who is covered must allow each."""
    covered = await holding.covered(chosen)
    read = {
        (row[SUBJECT_REF], column)
        for row in await holding.rows(chosen)
        for column, value in row.items()
        if value is not None and column != SUBJECT_REF
    }
    for ref, column in read:
        assert column in {c.name for c in chosen.dataset.columns_of(covered[ref])}
    return read


@pytest.fixture(scope="module")
def spoken_for(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two files of a node in which everything speaks for Ana and Ben."""
    folder = tmp_path_factory.mktemp("spoken_for")
    with held(new_files(tmp_path_factory.mktemp("empty"), folder)) as holding:
        everything_speaks_for(holding)
    return folder


@settings(max_examples=25, deadline=None)
@given(
    selections(),
    st.sampled_from(ELEMENTS),
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(sorted(ADVERSE)), min_size=1, max_size=3, unique_by=_fact_told),
)
def test_another_condition_or_an_adverse_fact_adds_no_value(
    spoken_for: Path, chosen: Selection, element: Element, word: RowCondition, facts: list[str]
) -> None:
    more = {**chosen.conditions, element: chosen.conditions[element] | {word}}

    async def narrows(holding: Holding) -> None:
        before = await values(holding, chosen)
        assert await values(holding, replace(chosen, conditions=more)) <= before
        for fact in facts:
            ADVERSE[fact](holding)
            after = await values(holding, chosen)
            assert after <= before, fact
            before = after

    with tempfile.TemporaryDirectory() as folder:
        copies = shutil.copytree(spoken_for, Path(folder) / "node")
        urls = Urls(f"sqlite:///{copies}/records.db", f"sqlite:///{copies}/state.db")
        with held(urls) as holding:
            holding.keys = holding.records.student_keys()
            asyncio.run(narrows(holding))
