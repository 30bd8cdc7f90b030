"""What people read of an agreement is all of it, escaped, and the same each time."""

import datetime as dt
import hashlib
import html
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import BaseModel
from pypdf import PdfReader

from homeroom.agreement import AgreementDocument, Clauses
from homeroom.agreement import clauses as clause_models
from homeroom.agreement import document as document_models
from homeroom.agreement import fields as field_models
from homeroom.agreement import schedule as schedule_models
from homeroom.agreement.file import read_draft, template_of
from homeroom.agreement.outline import UNKNOWN_KEY
from homeroom.agreement.printing import print_agreement
from homeroom.agreement.rendering import (
    rendering_digest,
    rendering_digest_of,
    rendering_of,
    require_rendering,
)
from homeroom.agreement.wording import CLAUSES, label
from homeroom.errors import EvidenceInvalidError
from homeroom.vocabulary import AgreementKind
from tests.agreement_documents import documents
from tests.organizations import Member, document_of

EXAMPLE = read_draft(Path("docs/examples/school-year-agreement.yaml").read_text())
TODAY = dt.date(2026, 9, 15)


class _Page(HTMLParser):
    """The text of a page, and what it is made of; every element that opens must close."""

    _EMPTY = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.headings: list[int] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self._EMPTY:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "pre" not in self.open:
            self.text += data


def read(document: AgreementDocument) -> _Page:
    page = _Page()
    page.feed(rendering_of(document).decode())
    page.close()
    assert page.open == []
    return page


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from leaves(one)
    elif value is not None and not isinstance(value, bool):
        yield value


def said(value: Any) -> str:
    if isinstance(value, dt.date):
        return f"{value:%B} {value.day}, {value.year}"
    return "named when this draft is proposed" if value == UNKNOWN_KEY else str(value)


@settings(max_examples=25, deadline=None)
@given(documents)
def test_every_value_of_the_document_can_be_read(document: AgreementDocument) -> None:
    """Beside the annex with the exact bytes; True and False are read as yes and no."""
    page = read(document)

    for value in leaves(document.model_dump()):
        assert said(value) in page.text
    for schools in (document.schools, document.named_users):
        assert all(name in page.text for name in schools)


@settings(max_examples=10, deadline=None)
@given(documents)
def test_the_exact_bytes_are_in_the_annex(document: AgreementDocument) -> None:
    page = rendering_of(document).decode()
    (annex,) = re.findall("<pre>(.*)</pre>", page, re.DOTALL)

    assert html.unescape(annex).encode() == document.encode()
    assert document.digest in page


def test_the_same_document_renders_to_the_same_bytes() -> None:
    again = AgreementDocument.parse(EXAMPLE.encode())

    assert rendering_of(again) == rendering_of(EXAMPLE)
    assert rendering_digest(EXAMPLE) == hashlib.sha256(rendering_of(EXAMPLE)).hexdigest()


def test_the_rendering_changes_only_with_its_version() -> None:
    """What was signed must render the same later: a change here is a new `RENDERING_VERSION`."""
    template = read_draft(template_of(AgreementKind.STUDY, TODAY))

    assert rendering_digest(EXAMPLE)[:16] == "e2a221bfe8ea826b"
    assert rendering_digest(template)[:16] == "9b3bd60e68a99435"


def test_any_change_of_the_document_changes_the_rendering() -> None:
    other = EXAMPLE.model_copy(update={"min_cell_size": 11})

    assert rendering_digest(other) != rendering_digest(EXAMPLE)


def test_what_a_party_wrote_cannot_become_markup() -> None:
    evil = "<script>alert(1)</script><img src=x onerror='y'>\"&amp;"
    document = document_of((Member.new("harbor"), Member.new("shelter")), title=evil)
    page = read(document)

    assert page.names.isdisjoint({"script", "img"})
    assert evil in page.text


def test_the_page_is_whole_in_itself_and_in_order() -> None:
    """No script and nothing from elsewhere; a language, one main heading, and no level skipped."""
    page = read(EXAMPLE)
    source = rendering_of(EXAMPLE).decode()

    assert '<html lang="en">' in source
    assert page.names.isdisjoint({"script", "link", "img", "iframe", "form", "object", "base"})
    assert page.attributes.isdisjoint({"src", "href", "onclick", "style"})
    assert page.headings.count(1) == 1
    levels = zip(page.headings, page.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in levels)
    assert source.count("<table>") == source.count("<caption")


def test_a_draft_says_that_nobody_can_sign_it() -> None:
    signed = document_of((Member.new("harbor"), Member.new("shelter")))

    assert "nobody can sign this" in read(EXAMPLE).text
    assert "nobody can sign this" not in read(signed).text


def test_every_field_has_a_label_and_every_clause_its_words() -> None:
    assert list(CLAUSES) == [name for name in Clauses.model_fields if name != "provisions"]
    assert all(label(model, name) for model in _models() for name in model.model_fields)
    assert AgreementDocument in _models()


def _models() -> list[type[BaseModel]]:
    parts = (document_models, clause_models, schedule_models, field_models)
    found = {value for module in parts for value in vars(module).values() if _is_part(value)}
    return sorted(found - {Clauses}, key=lambda model: model.__name__)


def _is_part(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


@settings(max_examples=5, deadline=None)
@given(documents)
def test_any_document_prints_the_same_twice(document: AgreementDocument) -> None:
    printed = print_agreement(document)

    assert printed.startswith(b"%PDF-")
    assert print_agreement(document) == printed


def test_each_printed_page_carries_both_digests_and_the_whole_text() -> None:
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(print_agreement(EXAMPLE))).pages]
    whole = " ".join(" ".join(pages).split())

    assert len(pages) > 1
    assert all(EXAMPLE.digest in page for page in pages)
    assert all(rendering_digest(EXAMPLE) in page for page in pages)
    for value in leaves(EXAMPLE.model_dump()):
        assert " ".join(said(value).split()) in whole


def test_a_character_that_the_font_lacks_is_printed_as_its_number() -> None:
    document = document_of((Member.new("harbor"), Member.new("shelter")), title="Đỗ Łęcki 中")
    text = PdfReader(io.BytesIO(print_agreement(document))).pages[0].extract_text()

    assert "Đỗ Łęcki [U+4E2D]" in text


def test_a_text_longer_than_a_page_is_printed() -> None:
    scope = " ".join(["words"] * 1_300)
    study = {"scope": scope, "aim": "other", "on_behalf_of": "harbor", "ends_on": TODAY}
    written = document_of((Member.new("harbor"), Member.new("shelter"))).model_dump()
    document = AgreementDocument.model_validate(written | {"clauses": {"study": study}})

    assert print_agreement(document).startswith(b"%PDF-")


def test_only_the_page_that_is_made_here_is_signed() -> None:
    """Another digest, or bytes that hide something the page does not show, are refused."""
    content = document_of((Member.new("harbor"), Member.new("shelter"))).encode()
    page = rendering_digest_of(AgreementDocument.parse(content))

    require_rendering(content, page)
    with pytest.raises(EvidenceInvalidError, match="prints here as something else"):
        require_rendering(content, bytes(32))
    with pytest.raises(EvidenceInvalidError, match="not written in the one way"):
        require_rendering(content + b"\n", page)
