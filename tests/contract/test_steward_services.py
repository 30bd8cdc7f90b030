"""What stewards do at their own node, over real sockets: matters, approvals, outside requests."""

import asyncio
import datetime as dt
import json
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from homeroom.answer import Outcome
from homeroom.api.common.v1 import answer_pb2
from homeroom.api.common.v1.evidence_pb2 import SignedStatement
from homeroom.api.node.v1.destruction_service_pb2 import NoteCertifiedRequest
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.destruction.certificate import (
    Certificate,
    CertificateReceipt,
    CertifiedAnswer,
    Method,
)
from homeroom.destruction.certificate_wire import open_receipt, seal_receipt, sign_certificate
from homeroom.errors import HomeroomError, Reason
from homeroom.identity import Identity, Role
from homeroom.matter_desk import MatterDesk, NewMatter
from homeroom.matters import MatterKind, facts_of_words
from homeroom.outside import OutsideRequest
from homeroom.profile import Bearer, Profile, Service
from homeroom.question import Question
from homeroom.request_desk import RequestDesk
from homeroom.session import Session, call
from homeroom.signing import SigningKey, digest_of
from homeroom.users import DevelopmentIssuer, User
from homeroom.vocabulary import Basis, Element
from services.node.store.log import LogStore
from services.runtime.database import open_database
from tests.contract.node_federation import (
    ASKER,
    CANARY_REF,
    HOLDER,
    STRANGER,
    NodeFederation,
    node_federation,
)
from tests.organizations import Member, new_request_id
from tests.serving import FEDERATION, RUNNER

ANSWERED = answer_pb2.OUTCOME_ANSWERED
DAY = dt.timedelta(days=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


@dataclass
class Office:
    """The holder's own people, at their running node."""

    federation: NodeFederation
    issuer: DevelopmentIssuer
    folder: Path

    def profile(
        self, organization_id: str = HOLDER, role: Role = Role.STEWARD, **changed: Any
    ) -> Profile:
        """A steward of the holder; or someone else, in the same place."""
        at = self.federation.at
        folder = self.folder / f"{organization_id}-{role}"
        folder.mkdir(exist_ok=True)
        files = at.authority.write(Identity(FEDERATION, organization_id, role), folder)
        address = f"127.0.0.1:{self.federation.port}"
        user = User("rosa.lima", changed.pop("user_of", HOLDER), "registrar", None)
        fields: dict[str, Any] = {
            "federation": FEDERATION,
            "organization_id": organization_id,
            "authorities": files["authorities"],
            "registry_key": at.registry_key.public,
            "registry": Service(
                address=f"127.0.0.1:{self.federation.registry_port}", organization_id=RUNNER
            ),
            "node": Service(address=address, organization_id=HOLDER),
            "steward": Bearer(certificate=files["certificate"], private_key=files["private_key"]),
            "signing_key": self.federation.settings.signing_key,
            "sealing_key": self.federation.settings.sealing_key,
            "user_token": self.issuer.token(user, FEDERATION, dt.datetime.now(dt.UTC)),
        }
        return Profile(**(fields | changed))

    def log(self, kind: str) -> list[dict[str, Any]]:
        state = open_database(self.federation.settings.state_url)
        entries = [dict(e.said) for e in LogStore(state).entries() if e.kind == kind]
        state.dispose()
        return entries


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    local = tmp_path / "local"
    shutil.copytree("policy/local", local, ignore=shutil.ignore_patterns("*_test.rego"))
    settings = json.loads((local / "data.json").read_text())
    settings["local"]["approval_required"] = ["school_of_enrollment", "daily_attendance"]
    (local / "data.json").write_text(json.dumps(settings))
    async with node_federation(tmp_path, local_policy=local) as federation:
        issuer = DevelopmentIssuer("https://anytown.example", OKPKey.generate_key("Ed25519"))
        public = issuer.public()
        record = federation.holder.record(
            2, datasets=["attendance"], user_issuer=public.name, user_keys=public.keys
        )
        registry = federation.at.registry(federation.registry_port, HOLDER)
        response = await registry.RegisterOrganization(
            registry_pb.RegisterOrganizationRequest(record=record, request_id=new_request_id())
        )
        await until_registry(federation, response.sequence)
        yield Office(federation, issuer, tmp_path)


async def until_registry(federation: NodeFederation, sequence: int) -> None:
    """Waits until the node has followed the registry that far."""
    async with asyncio.timeout(60):
        while True:
            if (await federation.status()).registry_sequence >= sequence:
                return
            await asyncio.sleep(0.05)


def transfer(matter_id: str = "T-1", *students: str, **facts: str) -> NewMatter:
    words = {"student_status": "enrolled", "relates_to_enrollment": "true", **facts}
    return NewMatter(
        matter_id=matter_id,
        kind=MatterKind.TRANSFER,
        requester=ASKER,
        valid_from=now() - DAY,
        valid_to=now() + DAY,
        facts=facts_of_words(MatterKind.TRANSFER, words),
        student_ids=students,
        evidence_digest="ab" * 32,
    )


async def refused(act: Any) -> HomeroomError:
    with pytest.raises(HomeroomError) as refusal:
        await act
    return refusal.value


# Matters.


async def test_a_matter_is_entered_shown_listed_and_ended(office: Office) -> None:
    """Each student gets a name for the requester; every step is in the log, and no student is."""
    async with MatterDesk(office.profile()) as desk:
        new = transfer("T-1", "s1", "s2")
        added = await desk.add(new)
        again = await desk.add(new)
        shown, students = await desk.show("T-1")
        (listed,) = [one async for one in desk.matters(ASKER)]
        await desk.end("T-1")
        ended = await desk.end("T-1")

        assert [one async for one in desk.matters()] == []
        assert [one.matter_id async for one in desk.matters(every=True)] == ["T-1"]

    refs = {one.student_id: one.subject_ref for one in added.students}
    assert refs["s1"] == CANARY_REF
    assert refs["s2"] not in ("", CANARY_REF)
    assert list(again.students) == list(added.students) == list(students)
    assert json.loads(shown.facts) == {"student_status": "enrolled", "relates_to_enrollment": True}
    assert (listed.student_count, listed.facts, listed.outside) == (2, "", False)
    assert ended.HasField("end_time")
    (entered,) = office.log("matter_entered")
    assert (entered["matter"], entered["students"], entered["user"]) == ("T-1", 2, "rosa.lima")
    assert [one["matter"] for one in office.log("matter_ended")] == ["T-1"]
    assert [one["user"] for one in office.log("matter_shown")] == ["rosa.lima"]


async def test_a_matter_that_is_not_as_it_has_to_be_is_refused(office: Office) -> None:
    """No error names a student, and nothing is put on file."""
    async with MatterDesk(office.profile()) as desk:
        nobody = await refused(desk.add(transfer()))
        unknown = await refused(desk.add(transfer("T-1", "s1", "s-unknown")))
        backwards = await refused(
            desk.add(replace(transfer("T-1", "s1"), valid_to=now() - 2 * DAY))
        )
        await desk.add(transfer("T-1", "s1"))
        other = await refused(desk.add(transfer("T-1", "s2")))
        missing = await refused(desk.show("T-2"))

    reasons = [one.reason for one in (nobody, unknown, backwards, other, missing)]
    invalid = Reason.REQUEST_INVALID
    assert reasons == [invalid, invalid, invalid, Reason.ALREADY_RECORDED, Reason.NOT_PERMITTED]
    assert "s-unknown" not in f"{unknown.message} {unknown.metadata}"
    assert len(office.log("matter_entered")) == 1


async def test_only_the_holders_own_stewards_keep_its_file(office: Office) -> None:
    asker = office.federation.asker
    wrong = {
        "another organization": office.profile(STRANGER),
        "another role": office.profile(role=Role.APP),
        "another organization's person": office.profile(user_of=STRANGER),
        "another issuer's token": office.profile(user_token=asker.token()),
    }
    told = {}
    for who, profile in wrong.items():
        async with MatterDesk(profile) as desk:
            told[who] = (await refused(desk.add(transfer("T-1", "s1")))).reason

    unknown, no = Reason.CALLER_UNKNOWN, Reason.NOT_PERMITTED
    assert list(told.values()) == [no, no, unknown, unknown]
    assert office.log("matter_entered") == []


# Approvals.


async def test_an_element_waits_for_a_steward_and_leaves_once_approved(office: Office) -> None:
    """Pending it is withheld; approved it leaves, to the one use; taken back it is withheld."""
    federation = office.federation
    assert await rows(federation) == []
    assert await rows(federation) == []
    async with RequestDesk(office.profile()) as desk:
        (request,) = [one async for one in desk.waiting()]
        use = (request.requester, request.agreement_id, request.purpose, request.element)
        assert use == (ASKER, "A-1", "direct_service", "daily_attendance")

        approved = await desk.approve(request.approval_id, now() - DAY, now() + DAY)
        assert [one async for one in desk.waiting()] == []
        assert [row["subject_ref"] for row in await rows(federation)] == [CANARY_REF]

        await desk.deny(request.approval_id)
        assert await rows(federation) == []

        await desk.approve(request.approval_id, now() - 2 * DAY, now() - DAY)
        assert await rows(federation) == []
        waiting = [one.approval_id async for one in desk.waiting()]

    assert approved.decided_by == "rosa.lima"
    assert len(waiting) == 1
    assert waiting[0] != request.approval_id
    decided = office.log("approval_decided")
    assert [one["decision"] for one in decided] == ["granted", "denied", "granted"]


async def test_an_approval_that_the_organization_did_not_sign_is_refused(office: Office) -> None:
    federation = office.federation
    await rows(federation)
    other = office.folder / "other.pem"
    other.write_bytes(Member.new("other").signing.to_pem())
    async with RequestDesk(office.profile(signing_key=other)) as desk:
        (request,) = [one async for one in desk.waiting()]
        failed = await refused(desk.approve(request.approval_id, now() - DAY, now() + DAY))
        nobody = await refused(desk.deny("nothing"))

    assert failed.reason is Reason.EVIDENCE_INVALID
    assert nobody.reason is Reason.NOT_PERMITTED
    assert await rows(federation) == []


async def rows(federation: NodeFederation) -> list[dict[str, Any]]:
    """The attendance that the asker gets."""
    _, found = await federation.answered(federation.asker.request())
    return found


# Requests from outside.


def asked_by(requester: str, **changed: Any) -> OutsideRequest:
    """What an unknown party asks for, of one student."""
    fields: dict[str, Any] = {
        "purpose": "health_or_safety",
        "dataset": "students",
        "elements": (Element.NAME,),
        "basis": Basis.EMERGENCY,
        "everyone": True,
    }
    question = Question(**(fields | changed))
    return OutsideRequest(
        requester=requester,
        question=question,
        role="emergency_physician",
        authenticated=True,
        student_ids=("s1",),
    )


def emergency(**facts: str) -> NewMatter:
    words = {
        "declared_by": "principal",
        "threat": "said that she will harm herself tonight",
        "articulable_and_significant": "true",
        "recipient_needs_to_know": "true",
        "elements_necessary": "name",
        **facts,
    }
    matter = transfer("E-1", "s1")
    return replace(
        matter,
        kind=MatterKind.EMERGENCY,
        requester="city_hospital",
        facts=facts_of_words(MatterKind.EMERGENCY, words),
    )


async def test_what_a_hospital_needs_in_an_emergency_is_opened_by_the_steward(
    office: Office,
) -> None:
    """By the matter of the holder, for the student it names, and nobody but the holder reads it."""
    async with MatterDesk(office.profile()) as desk:
        added = await desk.add(emergency())
    async with RequestDesk(office.profile()) as desk:
        answer = await desk.enter(asked_by("city_hospital"))
        of_someone_else = await desk.enter(replace(asked_by("city_hospital"), student_ids=("s2",)))

    assert added.matter.outside
    assert answer.source.outcome is Outcome.ANSWERED
    assert answer.source.reason_codes == ("permitted_emergency",)
    (row,) = answer.table.to_pylist()
    assert answer.student_ids[row["subject_ref"]] == "s1"
    assert of_someone_else.table.num_rows == 0
    first, _ = office.log("request_entered")
    assert (first["requester"], first["user"]) == ("city_hospital", "rosa.lima")
    decided = office.log("decided")[-2]
    assert (decided["matter"], decided["allow"]) == ("E-1", True)


async def test_a_request_without_a_ground_is_refused_and_recorded(office: Office) -> None:
    async with RequestDesk(office.profile()) as desk:
        answer = await desk.enter(asked_by("quick_tutor", basis=Basis.CONSENT))
        no_matter = await desk.enter(asked_by("city_hospital"))
        unknown = await refused(
            desk.enter(replace(asked_by("city_hospital"), student_ids=("s-unknown",)))
        )

    assert answer.source.outcome is Outcome.NO_PERMITTED_ANSWER
    assert "org_not_registered" in answer.source.reason_codes
    assert "emergency_conditions_not_met" in no_matter.source.reason_codes
    assert [one["requester"] for one in office.log("decided")[-2:]] == [
        "quick_tutor",
        "city_hospital",
    ]
    assert "s-unknown" not in f"{unknown.message} {unknown.metadata}"


async def test_whoever_signs_a_question_is_not_the_unknown_of_a_matter(office: Office) -> None:
    """A registry that lets someone in under the hospital's name opens nothing to them."""
    async with MatterDesk(office.profile()) as desk:
        added = await desk.add(replace(emergency(), requester=STRANGER))
        assert not added.matter.outside
        await desk.end("E-1")
        await desk.add(replace(emergency(), matter_id="E-2", requester="city_hospital"))
    request = office.federation.stranger.request(
        agreement_id="",
        agreement_version=0,
        purpose="health_or_safety",
        basis=Basis.EMERGENCY,
        matter_id="E-2",
        everyone=False,
        subject_refs=(secrets.token_hex(16),),
    )
    frames = await office.federation.ask(request)

    assert frames[-1].outcome == answer_pb2.OUTCOME_NO_PERMITTED_ANSWER


async def test_a_request_is_the_holders_own_to_enter(office: Office) -> None:
    other = office.folder / "other.pem"
    other.write_bytes(Member.new("other").signing.to_pem())
    async with RequestDesk(office.profile(signing_key=other)) as desk:
        forged = await refused(desk.enter(asked_by("city_hospital")))
    async with RequestDesk(office.profile(STRANGER)) as desk:
        stranger = await refused(desk.enter(asked_by("city_hospital")))

    assert {forged.reason, stranger.reason} == {Reason.NOT_PERMITTED}
    assert office.log("request_entered") == []


# What this organization certifies to others.


def certified(
    office: Office, recipient: str = HOLDER, signs: SigningKey | None = None
) -> NoteCertifiedRequest:
    """A certificate of the node's own organization to the asker, with the asker's receipt."""
    own, asker = office.federation.holder, office.federation.asker.member
    certificate = Certificate(
        certificate_id="ab" * 16,
        recipient=recipient,
        holder=ASKER,
        agreement_id="A-9",
        method=Method.PURGED,
        destroyed_on=now().date(),
        role="data_steward",
        answers=(CertifiedAnswer(b"q" * 32, 3, b"e" * 32),),
        certified_at=now(),
    )
    evidence = sign_certificate(certificate, own.signing)
    digest = digest_of(evidence.statement)
    receipt = CertificateReceipt(digest, ASKER, recipient, 7, b"l" * 32, now())
    sealed = seal_receipt(receipt, signs or asker.signing, own.sealing.public)
    key = (signs or asker.signing).public
    _, proof = open_receipt(sealed, evidence.statement, ASKER, key, own.sealing)
    return NoteCertifiedRequest(
        certificate=evidence,
        receipt=SignedStatement.FromString(proof),
        request_id=certificate.certificate_id,
    )


async def test_what_others_have_certified_as_received_is_in_the_own_nodes_log(
    office: Office,
) -> None:
    """By the holder's signature, once; what it did not sign, and another's, is not."""
    session = Session(office.profile(), Role.STEWARD)
    note = session.own_destructions.NoteCertified
    right = certified(office)
    await call(note, right)
    await call(note, right)
    forged = await refused(call(note, certified(office, signs=SigningKey.generate())))
    anothers = await refused(call(note, certified(office, STRANGER)))
    right.request_id = "cd" * 16
    misnamed = await refused(call(note, right))
    await session.close()

    assert [one.reason for one in (forged, anothers, misnamed)] == [
        Reason.EVIDENCE_INVALID,
        Reason.EVIDENCE_INVALID,
        Reason.REQUEST_INVALID,
    ]
    assert office.log("certificate_sent") == [
        {
            "holder": ASKER,
            "agreement": "A-9",
            "method": "purged",
            "destroyed_on": now().date().isoformat(),
            "role": "data_steward",
            "answers": 1,
            "kept": 0,
            "holder_log_index": 7,
        }
    ]


async def test_nobody_else_notes_certificates_in_a_nodes_log(office: Office) -> None:
    session = Session(office.profile(STRANGER), Role.STEWARD)
    refusal = await refused(call(session.own_destructions.NoteCertified, certified(office)))
    await session.close()

    assert refusal.reason is Reason.NOT_PERMITTED
    assert office.log("certificate_sent") == []
