"""The vocabulary, the catalog and the public names say what they promise to say."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from sqlalchemy import Column as SqlColumn
from sqlalchemy import ColumnElement

import homeroom
from homeroom.agreement.terms import AgreementTerm
from homeroom.catalog import CATALOG, SUBJECT_REF, Dataset, ValueKind
from homeroom.vocabulary import (
    REASON_TEXT,
    AgreementKind,
    Basis,
    Element,
    Obligation,
    OrganizationKind,
    ReasonCode,
)
from services.node.domain.record_tables import RECORD_TABLES
from services.node.store.datasets import SOURCES
from tests.house.tree import PROJECT

_LAW = PROJECT / "law"

# What the cases of the law know and the code has no word for, because it is the absence of one.
_NO_WORD_NEEDED = {"org_kinds": {"unknown"}, "bases": {"none"}}


@pytest.fixture(scope="module")
def law() -> Mapping[str, Any]:
    """The checkable cases from the law, with the vocabulary at their top."""
    content = yaml.safe_load((_LAW / "scenarios.yaml").read_text("utf-8"))
    assert isinstance(content, Mapping)
    return content


def test_the_vocabulary_is_that_of_the_law(law: Mapping[str, Any]) -> None:
    """Kinds, bases, elements and obligations are the words of the cases, all of them."""
    words = law["vocabulary"]
    elements = {element for group in words["elements"].values() for element in group}

    assert set(OrganizationKind) == set(words["org_kinds"]) - _NO_WORD_NEEDED["org_kinds"]
    assert set(Basis) == set(words["bases"]) - _NO_WORD_NEEDED["bases"]
    assert set(Element) == elements
    assert set(Obligation) == set(words["obligations"])
    assert set(AgreementKind) >= set(words["agreement_terms"])
    assert set(AgreementTerm) == {
        term
        for sentence in words["agreement_terms"].values()
        for term in sentence.partition(": ")[2].split(", ")
    }


def test_reason_codes_have_the_words_of_the_law(law: Mapping[str, Any]) -> None:
    """Each code of the cases is here, with the same explanation."""
    assert {str(code): _plain(text) for code, text in REASON_TEXT.items()} == {
        code: _plain(text) for code, text in law["reason_codes"].items()
    }


def test_every_reason_code_has_its_words() -> None:
    """Nobody is told a bare code."""
    assert set(REASON_TEXT) == set(ReasonCode)
    assert all(text.strip() for text in REASON_TEXT.values())


def test_public_names_are_exactly_those_that_are_exported() -> None:
    """`homeroom.__all__` is sorted, and each of its names can be imported; no other can."""
    assert sorted(set(homeroom.__all__)) == homeroom.__all__
    assert set(dir(homeroom)) == set(homeroom.__all__)
    for name in homeroom.__all__:
        assert getattr(homeroom, name).__module__.startswith("homeroom.")


def test_datasets_have_names_of_their_own() -> None:
    """A dataset is named once, and its source is known."""
    names = [dataset.name for dataset in CATALOG]

    assert len(set(names)) == len(names)
    assert set(names) == set(SOURCES)


@pytest.mark.parametrize("dataset", CATALOG, ids=lambda dataset: dataset.name)
def test_a_dataset_is_described_whole(dataset: Dataset) -> None:
    """Columns are unique, CEDS numbers have six digits, and the row's element is one of its own."""
    names = [column.name for column in dataset.columns]

    assert dataset.description
    assert len(set(names)) == len(names)
    assert SUBJECT_REF not in names
    assert [c.ceds_id for c in dataset.columns if not re.fullmatch(r"\d{6}|", c.ceds_id)] == []
    assert dataset.row_element is None or dataset.row_element in dataset.elements


@pytest.mark.parametrize("dataset", CATALOG, ids=lambda dataset: dataset.name)
def test_a_dataset_has_a_column_of_the_records_for_each_of_its_own(dataset: Dataset) -> None:
    """What can be asked for is stored somewhere, in a column of the same kind, or computed."""
    source = SOURCES[dataset.name]
    records = RECORD_TABLES.get(source.stored.name)
    kinds = {c.name: c.kind for c in records.columns} if records else {}
    expressions = {c.name: source.column(c.name) for c in dataset.columns}

    assert all(isinstance(e, ColumnElement) for e in expressions.values())
    assert set(source.renamed) <= set(expressions)
    for column in dataset.columns:
        stored = expressions[column.name]
        if isinstance(stored, SqlColumn) and source.table is source.stored:
            assert stored.table is source.stored
            assert kinds[str(stored.name)] is column.kind


def test_only_who_is_a_student_has_no_row_element() -> None:
    """A row of any other dataset tells something itself, so that something must be allowed."""
    assert {dataset.name for dataset in CATALOG if dataset.row_element is None} == {"students"}


def test_the_row_element_is_what_the_rows_themselves_say() -> None:
    """The days a row is about are of the row's element: its family allowed that they are told."""
    for dataset in CATALOG:
        days = {c.element for c in dataset.columns if c.kind is ValueKind.DATE}
        if dataset.row_element is not None and days:
            assert days == {dataset.row_element}


def _plain(text: str) -> str:
    return " ".join(text.split())
