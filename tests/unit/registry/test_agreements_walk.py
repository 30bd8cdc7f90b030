"""The registry takes exactly the statements that an agreement's life takes, and keeps them all."""

from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from homeroom.agreement import AgreementDocument, JoiningOffer, Party
from homeroom.agreement_statements import read_statement, write_statement
from homeroom.errors import HomeroomError
from homeroom.federation import Standing
from homeroom.lifecycle import Action, Statement, Terms, terms_of
from homeroom.signing import Domain, digest_of
from homeroom.vocabulary import OrganizationKind
from services.registry.domain import agreements
from services.registry.domain.agreements import RegisteredAgreement, Submission, history_of
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature
from services.registry.domain.statements import Statement as Signed
from tests.organizations import Member, document_of
from tests.unit.lifecycle.model import DISTRICTS, EVERYONE, LAST_DAY, NAME, NOW
from tests.unit.lifecycle.walk import Life

MEMBERS = {name: Member.new(name) for name in EVERYONE}
REGISTERED = {
    name: RegisteredOrganization(
        organization_id=name,
        record=Signed(b"", ()),
        record_version=1,
        kind="community_org",
        signing_key=member.signing.public,
        sealing_key=member.sealing.public,
        checkpoint_key=member.checkpoint.public,
        standing=Standing.ACTIVE,
        standing_time=NOW,
    )
    for name, member in MEMBERS.items()
}
OFFER = JoiningOffer(
    kinds=(OrganizationKind.COMMUNITY_ORG,),
    purposes=("direct_service",),
    schools={"anytown": ("E1", "E2"), "riverton": "all"},
)


class Registry(Life):
    """The same walk, with real documents and signatures, said to the registry too."""

    def __init__(self) -> None:
        super().__init__()
        self.contents: dict[bytes, bytes] = {}
        self.kept = RegisteredAgreement(NAME)

    def terms(self, version: int, parties: set[str], *, one_ends_all: bool) -> Terms:
        document = _document(version, parties, self.model.in_force, one_ends_all=one_ends_all)
        digest = digest_of(document.encode())
        self.contents[digest] = document.encode()
        return terms_of(document, digest)

    def key_ids(self, who: str) -> tuple[str, str]:
        return MEMBERS[who].signing.key_id, MEMBERS[who].sealing.key_id

    def stated(self, who: str, action: Action, version: int) -> Statement:
        return read_statement(
            write_statement(NAME, max(version, 0), who, NOW, self.history.head, action)
        )

    def say(self, who: str, action: Action, version: int, offered: Terms | None = None) -> bool:
        content = write_statement(NAME, max(version, 0), who, NOW, self.history.head, action)
        taken = super().say(who, action, version, offered)
        signing = MEMBERS[who].signing
        signature = Signature(
            who, signing.key_id, signing.sign(Domain.AGREEMENT_STATEMENT, content)
        )
        submission = Submission(
            read_statement(content),
            Signed(content, (signature,)),
            self.contents[offered.digest] if offered else b"",
        )
        before = self.kept
        try:
            self.kept = agreements.submit(before, submission, REGISTERED.get, read_statement)
        except HomeroomError:
            assert not taken
            return False
        assert taken
        assert self.kept.statements[: len(before.statements)] == before.statements
        assert self.kept.documents[: len(before.documents)] == before.documents
        return True

    @invariant()
    def what_the_registry_keeps_replays_to_the_same(self) -> None:
        assert history_of(self.kept, read_statement) == self.history
        assert self.kept.people >= self.history.people


def _document(
    version: int, parties: set[str], newest: Terms | None, *, one_ends_all: bool
) -> AgreementDocument:
    """A document; for a version that cannot be, one that cannot be read."""
    named = document_of([MEMBERS[name] for name in sorted(parties)], NAME)
    disclosers = sorted(parties & set(DISTRICTS))
    termination = named.termination.model_copy(
        update={"by_one_party": "whole" if one_ends_all else "own_part"}
    )
    offer = {h: s for h, s in OFFER.schools.items() if h in disclosers}
    return named.model_copy(
        update={
            "version": version,
            "supersedes": newest.digest.hex() if newest else None,
            "parties": tuple(_party(MEMBERS[name]) for name in sorted(parties)),
            "schools": dict.fromkeys(disclosers, "all"),
            "termination": termination,
            "joining": OFFER.model_copy(update={"schools": offer}),
            "effective_to": LAST_DAY,
        }
    )


def _party(member: Member) -> Party:
    role = "both" if member.organization_id in DISTRICTS else "recipient"
    return member.party().model_copy(update={"role": role})


def test_whatever_is_submitted_the_registry_and_the_rules_agree() -> None:
    """A statement is taken by the registry if and only if every node would replay it."""
    walks = settings(max_examples=12, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(Registry, settings=walks)
