"""A registry in wrong hands, with its real key: it can deny, but it can permit nothing."""

import datetime as dt
from collections.abc import Iterator
from typing import Literal

import pytest

from homeroom.agreement import AgreementDocument, JoiningOffer, Party, Schools
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.evidence import signed
from homeroom.lifecycle import (
    Ending,
    Joining,
    JoiningCountersignature,
    Signature,
    Suspension,
)
from homeroom.signing import Domain
from homeroom.vocabulary import OrganizationKind
from tests.federation.puppets import Siege, parties_of, siege_of
from tests.federation.records import ATTENDANCE, HARBOR, K8, TWO_SURNAMES
from tests.federation.running import (
    AGREEMENT,
    ASKER,
    PURPOSE,
    STRANGER,
    Federation,
    eventually,
)
from tests.federation.sealed_forms import consent_of
from tests.federation.wire import Keys
from tests.histories import add, digests_of, head_of, signed_by_all

_OFFER = JoiningOffer(
    kinds=(OrganizationKind.COMMUNITY_ORG,), purposes=(PURPOSE,), schools={HARBOR: "all"}
)

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


@pytest.fixture(scope="module")
def siege(federation: Federation) -> Iterator[Siege]:
    with siege_of(federation) as besieged:
        asker = Keys.of(federation.layout, ASKER)
        besieged.consent.record(consent_of(besieged, asker, TWO_SURNAMES, [ATTENDANCE]))
        besieged.mended(asker)
        yield besieged


@pytest.fixture
def asker(siege: Siege) -> Iterator[Keys]:
    """The requester, whom the node answers when the registry is honest: before and after."""
    keys = Keys.of(siege.layout, ASKER)
    siege.mended(keys)
    assert len(siege.refs(keys)) == 1
    yield keys
    siege.mended(keys)
    assert len(siege.refs(keys)) == 1


@pytest.fixture
def stranger(siege: Siege) -> Keys:
    return Keys.of(siege.layout, STRANGER)


def test_a_registry_cannot_invent_an_agreement(siege: Siege, asker: Keys, stranger: Keys) -> None:
    """Without the district's own signature an agreement over its data permits nothing."""
    harbor = Keys.of(siege.layout, HARBOR)
    forger = Keys.made_up(HARBOR)
    document = _document(siege, "invented", harbor, stranger)
    proposal = _agreement(document, (stranger,))
    forged, signed = (pb.Agreement.FromString(proposal.SerializeToString()) for _ in range(2))
    add(forged, (HARBOR, forger.signing), Signature(*digests_of(document)))
    add(signed, (HARBOR, harbor.signing), Signature(*digests_of(document)))
    _tell(siege, proposal)
    _, sealed = siege.ask(stranger, agreement_id="invented", **_newest(siege))
    assert sealed.outcome == "NO_PERMITTED_ANSWER"
    _tell(siege, forged)
    assert siege.error(stranger, agreement_id="invented", **_newest(siege)) == "NOT_PERMITTED"

    _tell(siege, signed)
    _, sealed = siege.ask(stranger, agreement_id="invented", **_newest(siege))
    assert sealed.outcome == "ANSWERED"  # it was the signature that was missing


def test_a_registry_cannot_swap_the_holders_own_record(
    siege: Siege, asker: Keys, stranger: Keys
) -> None:
    """Keys that do not follow the known ones are nobody's: what they signed does not exist."""
    forger = Keys.made_up(HARBOR)
    document = _document(siege, "swapped-holder", forger, stranger)

    def swapped(snapshot: pb.Snapshot) -> None:
        _swap_record(snapshot, forger)
        snapshot.agreements.append(_agreement(document, (stranger, forger)))

    siege.registry.tell(swapped)

    error = siege.error(stranger, agreement_id="swapped-holder", **_newest(siege))
    assert error == "NOT_PERMITTED"


def test_a_registry_cannot_swap_the_requesters_keys(siege: Siege, asker: Keys) -> None:
    """Keys that the agreement does not name neither ask under it nor are sealed to."""
    forger = Keys.made_up(ASKER)
    siege.registry.tell(lambda snapshot: _swap_record(snapshot, forger))

    assert siege.error(forger, **_newest(siege)) == "NOT_PERMITTED"
    assert siege.error(asker, **_newest(siege)) == "NOT_PERMITTED"


def test_a_registry_cannot_swap_the_requesters_sealing_key_alone(siege: Siege, asker: Keys) -> None:
    """A record that its organization did not sign is no record, whatever the registry says."""
    forger = Keys.made_up(ASKER)

    def swapped(snapshot: pb.Snapshot) -> None:
        (organization,) = parties_of(snapshot, ASKER)
        record = pb.OrganizationRecord.FromString(organization.record.statement)
        record.sealing_key = forger.sealing.public
        organization.record.statement = record.SerializeToString(deterministic=True)

    siege.registry.tell(swapped)

    assert siege.error(asker, **_newest(siege)) == "NOT_PERMITTED"


def test_a_registry_cannot_take_back_that_an_agreement_was_ended(siege: Siege, asker: Keys) -> None:
    """Once the node has seen a party's ending, the agreement stays ended."""
    harbor = Keys.of(siege.layout, HARBOR)
    begun = _agreement(_document(siege, "ended-for-good", harbor, asker), (asker, harbor))
    ended = pb.Agreement.FromString(begun.SerializeToString())
    add(ended, (HARBOR, harbor.signing), Ending())
    outcomes = []
    for history in (begun, ended, begun):
        _tell(siege, history)
        outcomes.append(_outcome(siege, asker, "ended-for-good"))

    assert outcomes == ["ANSWERED", "NO_PERMITTED_ANSWER", "NOT_PERMITTED"]


def test_a_registry_cannot_forget_a_suspension_nor_a_joiners_limits(
    siege: Siege, asker: Keys, stranger: Keys
) -> None:
    """What was seen of a history stays; a joiner gets no more by another's countersignature."""
    harbor = Keys.of(siege.layout, HARBOR)
    document = _document(siege, "joined", harbor, asker).model_copy(update={"joining": _OFFER})
    begun = _agreement(document, (asker, harbor))
    narrow, wide = (_joined(begun, stranger, document, schools) for schools in ((K8,), "all"))
    opened, crossed = (pb.Agreement.FromString(narrow.SerializeToString()) for _ in range(2))
    add(opened, (HARBOR, harbor.signing), JoiningCountersignature(head_of(narrow)))
    add(crossed, (HARBOR, harbor.signing), JoiningCountersignature(head_of(wide)))
    suspended = pb.Agreement.FromString(opened.SerializeToString())
    add(suspended, (HARBOR, harbor.signing), Suspension("breach"))
    outcomes = []
    for history in (begun, narrow, crossed, opened, wide, suspended, opened):
        _tell(siege, history)
        outcomes.append(_outcome(siege, stranger, "joined"))

    assert outcomes == [
        "NOT_PERMITTED",  # no party yet
        "NO_PERMITTED_ANSWER",  # no holder has countersigned
        "NOT_PERMITTED",  # countersigned was another joining
        "ANSWERED",
        "NOT_PERMITTED",  # another joining in the place of the one that was seen
        "NO_PERMITTED_ANSWER",
        "NOT_PERMITTED",  # the suspension is forgotten
    ]


def test_a_registry_cannot_go_back_to_before_a_suspension(siege: Siege, asker: Keys) -> None:
    """An older state, however well signed, does not undo a suspension that the node has seen."""
    older = siege.registry.tell()
    siege.registry.tell(_suspended)
    _, while_suspended = siege.ask(asker, **_newest(siege))
    siege.registry.shown = older
    siege.registry.beating = False
    outcomes = siege.outcomes_until(asker, "STATE_STALE")

    assert while_suspended.outcome == "NO_PERMITTED_ANSWER"
    assert "ANSWERED" not in outcomes


def test_a_registry_cannot_hide_a_suspension_past_the_snapshots_expiry(
    siege: Siege, asker: Keys
) -> None:
    """It may go on beating: a state that has expired is not relied on."""
    siege.registry.tell(lifetime=dt.timedelta(seconds=1.5))
    eventually(lambda: siege.error(asker), lambda error: error == "STATE_STALE")

    assert siege.registry.beating


def test_a_registry_that_falls_silent_is_not_relied_on_for_long(siege: Siege, asker: Keys) -> None:
    """Without heartbeats the node refuses once the bound has passed."""
    siege.registry.beating = False

    eventually(lambda: siege.error(asker), lambda error: error == "STATE_STALE")


def _newest(siege: Siege) -> dict[str, int]:
    return {"min_registry_sequence": siege.registry.sequence}


def _suspended(snapshot: pb.Snapshot) -> None:
    for organization in parties_of(snapshot, ASKER):
        organization.standing = pb.STANDING_SUSPENDED


def _swap_record(snapshot: pb.Snapshot, forger: Keys) -> None:
    """Puts a record with the forger's keys in an organization's place, well signed by them."""
    (organization,) = parties_of(snapshot, forger.organization_id)
    record = pb.OrganizationRecord.FromString(organization.record.statement)
    record.signing_key, record.sealing_key = forger.signing.public, forger.sealing.public
    record.record_version += 1
    statement = record.SerializeToString(deterministic=True)
    organization.record.CopyFrom(
        signed(Domain.ORGANIZATION, statement, forger.organization_id, forger.signing)
    )


def _document(siege: Siege, agreement_id: str, holder: Keys, recipient: Keys) -> AgreementDocument:
    """The real agreement's terms, between one holder and one recipient."""
    (genuine,) = (a for a in siege.registry.genuine.agreements if a.agreement_id == AGREEMENT)
    parties = (_party(holder, "discloser"), _party(recipient, "recipient"))
    document = AgreementDocument.parse(genuine.documents[0])
    return document.model_copy(
        update={"agreement_id": agreement_id, "parties": parties, "schools": {HARBOR: "all"}}
    )


def _party(keys: Keys, role: Literal["discloser", "recipient"]) -> Party:
    return Party(
        organization_id=keys.organization_id,
        role=role,
        signing_key_id=keys.signing.key_id,
        sealing_key_id=keys.sealing.key_id,
    )


def _agreement(document: AgreementDocument, signers: tuple[Keys, ...]) -> pb.Agreement:
    named = [(keys.organization_id, keys.signing) for keys in signers]
    return signed_by_all(document, named)


def _joined(
    begun: pb.Agreement, joiner: Keys, document: AgreementDocument, schools: Schools
) -> pb.Agreement:
    """The history in which an organization joins for these schools."""
    joining = Joining(
        *digests_of(document),
        kind="community_org",
        purposes=(PURPOSE,),
        schools={HARBOR: schools},
        signing_key_id=joiner.signing.key_id,
        sealing_key_id=joiner.sealing.key_id,
        signatory_name="",
        signatory_title="",
    )
    history = pb.Agreement.FromString(begun.SerializeToString())
    add(history, (joiner.organization_id, joiner.signing), joining)
    return history


def _outcome(siege: Siege, keys: Keys, agreement_id: str) -> str:
    """What the node answers, or the reason for which it does not."""
    asked = {"agreement_id": agreement_id, **_newest(siege)}
    return siege.error(keys, **asked) or siege.ask(keys, **asked)[1].outcome


def _tell(siege: Siege, history: pb.Agreement) -> None:
    siege.registry.tell(lambda snapshot: snapshot.agreements.append(history))


def _publish(siege: Siege, document: AgreementDocument, signers: tuple[Keys, ...]) -> None:
    siege.registry.tell(lambda snapshot: snapshot.agreements.append(_agreement(document, signers)))
