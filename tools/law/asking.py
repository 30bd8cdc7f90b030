"""Puts a case's request to a node through its own API, and opens what comes back."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from homeroom.api.common.v1 import query_pb2
from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.catalog import CATALOG, SUBJECT_REF, Dataset
from homeroom.errors import HomeroomError
from homeroom.levels import RECORD_CODE
from homeroom.opening import Asking, SourceOpening
from homeroom.query import to_query
from homeroom.question import Level, Period, Question, basis_named
from homeroom.remote import error_of
from homeroom.rows import read_rows
from homeroom.signing import Domain, digest_of
from homeroom.users import Delegation, Reach, User
from homeroom.vocabulary import Element
from services.node.domain.disclosure.table import Mark
from tools.law.case import LONG_AGO, Case, day_of_text, ends, organization_named
from tools.law.members import FEDERATION, Member, Members
from tools.law.tables import TABLE

_SECONDS = 30.0
_SHAREABLE = frozenset(element for dataset in CATALOG for element in dataset.elements)


@dataclass
class Got:
    """What came back of one request.

    Attributes:
        values: for each subject_ref, or code, the elements of which a value arrived.
        cells: the cells of a table that were shown with their counts.
    """

    values: dict[str, set[str]] = field(default_factory=dict)
    cells: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)
    obligations: set[str] = field(default_factory=set)

    def take(self, dataset: Dataset, rows: Iterable[Mapping[str, Any]]) -> None:
        """Adds rows: what has a value has left."""
        for row in rows:
            if "marker" in row:
                self.cells |= {row["cell"]} if row["marker"] == Mark.SHOWN else set()
                continue
            left = self.values.setdefault(row.get(SUBJECT_REF) or row[RECORD_CODE], set())
            left |= {str(c.element) for c in dataset.columns if row.get(c.name) is not None}
            if row.get("obligations"):
                self.obligations |= set(row["obligations"].split(";"))


@dataclass(frozen=True)
class Requester:
    """Who asks in a case, with keys and a token."""

    case: Case
    members: Members
    names: Mapping[str, str]

    def token(self) -> str:
        """The token of the person who asks."""
        member = self.members.requester
        return member.issuer.token(user_of(self.case, self.names), FEDERATION, self.case.now)

    async def ask(self, answer: Any, question: Question, got: Got) -> None:
        """Puts one question, as the gateway carries it, and opens the answer."""
        token, member = self.token(), self.members.requester
        query = to_query(
            question, member.organization_id, token, self.case.now, secrets.token_hex(16)
        )
        await self.send(answer, query, token, got, question)

    async def send(
        self,
        answer: Any,
        query: query_pb2.Query,
        token: str,
        got: Got,
        question: Question | None = None,
    ) -> None:
        """Sends a query, well formed or not, and opens what comes."""
        statement = query.SerializeToString(deterministic=True)
        evidence = self.members.requester.signs(Domain.QUERY, statement)
        digest = digest_of(statement)
        request = pb.AnswerRequest(query=evidence, user_token=token)
        try:
            frames = [one.frame async for one in answer(request, timeout=_SECONDS)]
        except grpc.aio.AioRpcError as failure:
            refusal = error_of(failure)
            got.reasons |= codes_of(refusal)
            return
        if question is not None:
            asking = Asking(
                question=question,
                requester=self.members.requester.organization_id,
                query_digest=digest,
                sealing_key=self.members.requester.sealing,
            )
            take_answer(frames, asking, self.members.holder, got)


def take_answer(frames: Sequence[Any], asking: Asking, holder: Member, got: Got) -> None:
    """Opens an answer as whoever it is sealed to does, and adds what it says."""
    opening = SourceOpening(asking, holder.organization_id)
    pieces = [piece for frame in frames if (piece := opening.take(frame))]
    receipt = opening.check(frames[-1].outcome, holder.signing.public)
    dataset = next(one for one in CATALOG if one.name == asking.question.dataset)
    for batch in read_rows(pieces, receipt, asking.question):
        got.take(dataset, batch.to_pylist())
    got.reasons |= set(receipt.reason_codes)
    got.reasons |= {one.reason_code for one in receipt.withheld_elements}
    if receipt.released_elements:
        got.obligations |= set(receipt.obligations)


def user_of(case: Case, names: Mapping[str, str]) -> User:
    """The person who asks, as the organization's issuer describes them."""
    facts = case.requester["user"]
    trained = facts["training_valid_to"]
    works = facts["works_with_students"]
    return User(
        user_id=facts["id"],
        organization_id=organization_named(case.requester["org"]),
        role=facts["role"],
        training_valid_to=ends(trained, case.now) if trained else None,
        reach=Reach.CASELOAD,
        caseload=tuple(names[one] for one in case.request["students"]) if works else (),
        delegation=_delegation(case),
        authenticated=facts["authenticated"],
    )


def _delegation(case: Case) -> Delegation | None:
    facts = case.requester["user"]
    if facts["delegated_by"] is None:
        return None
    covers = facts["delegation_covers"]
    return Delegation(
        by=facts["delegated_by"],
        # A delegation that says no end has none that could be relied on.
        valid_to=ends(facts["delegation_valid_to"] or LONG_AGO.isoformat(), case.now),
        withdrawn=facts["delegation_withdrawn"],
        covers=None if covers is None else frozenset(covers),
    )


def questions_of(case: Case, names: Mapping[str, str]) -> list[Question]:
    """One question for each dataset that holds something of what is asked for."""
    found: dict[str, list[Element]] = {}
    for name in case.request["elements"]:
        if name in _SHAREABLE:
            found.setdefault(dataset_of(Element(name)), []).append(Element(name))
    return [_question(case, names, dataset, tuple(some)) for dataset, some in found.items()]


def dataset_of(element: Element) -> str:
    """The dataset to ask: the one whose rows are the element, else one that has it beside."""
    having = [one for one in CATALOG if element in one.elements]
    whole = [one for one in having if one.row_element in (element, None)]
    return (whole or having)[0].name


def _question(
    case: Case, names: Mapping[str, str], dataset: str, elements: tuple[Element, ...]
) -> Question:
    agreement, request = case.facts["agreement"], case.request
    refs = tuple(names[one] for one in request["students"])
    period = request["period"]
    return Question(
        agreement_id=agreement["id"] if agreement else "",
        agreement_version=1 if agreement else 0,
        purpose=case.facts["purpose"],
        dataset=dataset,
        elements=elements,
        basis=basis_named(case.facts["basis_claimed"]),
        level=Level(request["level"]),
        table=TABLE if request["level"] == Level.AGGREGATE else "",
        onward_to=(organization_named(request["onward_to"]),) if request["onward_to"] else (),
        subject_refs=refs,
        everyone=not refs,
        school_ids=tuple(request["schools"] or ()),
        period=Period(*map(day_of_text, period)) if period else None,
    )


def malformed(case: Case, token: str) -> query_pb2.Query:
    """The request as it is written, where no question can be made of it."""
    query = query_pb2.Query(
        query_id=secrets.token_hex(16),
        requester=organization_named(case.requester["org"]),
        purpose=case.facts["purpose"],
        basis=case.facts["basis_claimed"],
        dataset="students",
        elements=case.request["elements"],
        level=query_pb2.LEVEL_STUDENT,
        user_token_digest=digest_of(token.encode()),
    )
    query.cohort.everyone = True
    query.ask_time.FromDatetime(case.now)
    return query


def codes_of(refusal: HomeroomError) -> set[str]:
    """The reasons that a refusal gives."""
    return {str(refusal.reason), *getattr(refusal, "codes", ())}
