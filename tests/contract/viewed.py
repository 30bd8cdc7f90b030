"""A holding whose rows stand in the organization's own database, and come to the node by views."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import make_url

from homeroom.catalog import CATALOG
from services.node.store.answers import AnswerStore
from services.node.store.consents import ConsentStore
from services.node.store.datasets import SOURCES
from services.node.store.records import RecordStore
from services.node.store.subject_refs import SubjectRefStore
from services.node.store.views import Views
from services.runtime.database import open_database, writing
from tests.contract.holding import Holding
from tests.contract.node_stores import Urls

OWN = {"students", "attendance_rates", "disclosures"}
VIEWED = [dataset for dataset in CATALOG if dataset.name not in OWN]
_NODES_OWN = {"student", "student_status", "directory_opt_out", "contested_statement", "school"}
_RENAMED = {
    "suspension_type": "CASE r.action_type WHEN 'in_school_suspension' THEN 'in_school'"
    " ELSE 'out_of_school' END",
    "days": "coalesce(r.actual_days, r.planned_days)",
}
_WHERE = {
    "suspensions": "r.action_type IN ('in_school_suspension', 'out_of_school_suspension')",
    "expulsions": "r.action_type = 'expulsion'",
    "course_grades": "r.grade_kind <> 'gradebook'",
}
_READER = (
    "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    "REVOKE CREATE, TEMPORARY ON DATABASE {name} FROM PUBLIC",
)


def view_sql(dataset: str) -> str:
    """The view that an organization with tables like the node's would write."""
    source = SOURCES[dataset]
    (named,) = (one for one in CATALOG if one.name == dataset)
    columns = [f"{_RENAMED.get(c.name, f'r.{c.name}')} AS {c.name}" for c in named.columns]
    where = _WHERE.get(dataset, "1 = 1")
    if dataset == "discipline_incidents":
        columns += [
            "r.incident_id || r.behavior AS row_key",
            "EXISTS (SELECT 1 FROM discipline_incident o WHERE o.incident_id = r.incident_id"
            " AND o.student_key <> r.student_key) AS concerns_others",
        ]
    if source.stored.name == "document":
        columns += ["r.document_id AS row_key", "r.concerns_others", "r.survey_consent"]
        where = f"r.element = '{named.row_element}'"
    return (
        f"SELECT s.student_id, {', '.join(columns)}\n"  # all of it is ours
        f"FROM {source.stored.name} r JOIN student s ON s.student_key = r.student_key\n"
        f"WHERE {where} -- ':names' and % stand for themselves\n;\n"
    )


class ViewedHolding(Holding):
    """The node has students and what decides about them; the rows are the organization's alone."""

    organization: RecordStore

    def add(self, table: str, *rows: Mapping[str, Any]) -> None:
        if table in _NODES_OWN:
            super().add(table, *rows)
        if table == "student" or table not in _NODES_OWN:
            there = Holding(self.urls, self.store, self.consents, self.organization)
            there.keys = self.organization.student_keys()
            there.add(table, *rows)


@contextmanager
def viewed(urls: Urls, organization_url: str, folder: Path) -> Iterator[ViewedHolding]:
    """A holding with a view for each dataset that may have one; closed at the end."""
    organization = RecordStore(organization_url)
    # A student of the organization alone: the two databases number students each in its own way.
    with organization.intake() as run:
        run.load("student", ("student_id",), [("nobody of the node's",)])
    views = Views.open(as_reader(organization_url), write_views(folder), 20)
    assert views.check() == {}
    state = open_database(urls.state)
    opened = RecordStore(urls.records)
    answers = AnswerStore(urls.records, urls.state, SubjectRefStore(state), views)
    holding = ViewedHolding(urls, answers, ConsentStore(state), opened)
    holding.organization = organization
    yield holding
    for store in (opened, organization):
        store.close()
    views.close()
    state.dispose()


def write_views(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for dataset in VIEWED:
        (folder / f"{dataset.name}.sql").write_text(view_sql(dataset.name), "utf-8")
    return folder


def as_reader(url: str) -> str:
    """The same database for somebody who may SELECT and nothing else; a file is opened to read."""
    named = make_url(url)
    if named.get_backend_name() == "sqlite":
        return url
    engine = open_database(url)
    with writing(engine) as connection:
        for statement in _READER:
            connection.execute(text(statement.format(name=named.database)))
    engine.dispose()
    return named.set(username="reader").render_as_string(hide_password=False)
