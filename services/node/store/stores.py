"""All the stores of a node together, and what answers are made of."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from homeroom.sealing import SealingKey
from services.node.domain.answer import Stock
from services.node.domain.copies import Copies
from services.node.domain.extracts import Chance
from services.node.domain.resuming import OpenAnswers
from services.node.domain.ruling import Holder
from services.node.domain.unnamed import UnnamedAnswers
from services.node.store.accounts import AccountStore
from services.node.store.acts import ActLog
from services.node.store.aggregates import AggregateStore
from services.node.store.answers import AnswerStore
from services.node.store.approvals import ApprovalStore
from services.node.store.claims import ClaimStore
from services.node.store.consents import ConsentStore
from services.node.store.copies import CopyStore
from services.node.store.decision_records import DecisionRecordStore
from services.node.store.destructions import DestructionStore
from services.node.store.log import LogStore
from services.node.store.matters import MatterStore
from services.node.store.on_file import FileStore
from services.node.store.partner_logs import PartnerLogStore
from services.node.store.policy_bundles import PolicyBundleStore
from services.node.store.records import RecordStore
from services.node.store.records.history import IntakeHistory
from services.node.store.register import RegisterStore
from services.node.store.retractions import RetractionStore
from services.node.store.rosters import RosterKeeper
from services.node.store.state import StateStore
from services.node.store.students import StudentStore
from services.node.store.subject_refs import SubjectRefStore
from services.node.store.views import Views

_CODE_BYTES = 16
_CHANCE = Chance(lambda: secrets.token_hex(_CODE_BYTES), secrets.SystemRandom().shuffle)


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything a node keeps."""

    copies: Callable[[SealingKey, str, Sequence[SealingKey]], CopyStore]
    records: RecordStore
    state: StateStore
    consents: ConsentStore
    students: StudentStore
    roster: RosterKeeper
    claims: ClaimStore
    retractions: RetractionStore
    log: LogStore
    accounts: AccountStore
    acts: ActLog
    register: RegisterStore
    destructions: DestructionStore
    names: SubjectRefStore
    answers: AnswerStore
    aggregates: AggregateStore
    decisions: DecisionRecordStore
    bundles: PolicyBundleStore
    matters: MatterStore
    approvals: ApprovalStore
    partner_logs: PartnerLogStore
    views: Views
    intakes: IntakeHistory

    def stock(self, copies: Copies | None, waiting: OpenAnswers) -> Stock:
        """What answers are made of, where copies of what leaves are kept, and who waits."""
        unnamed = UnnamedAnswers(self.aggregates, self.answers, _CHANCE)
        return Stock(self.answers, unnamed, copies, waiting)

    def begin_copies(
        self, sealing_key: SealingKey, holder: Holder, former: Sequence[SealingKey]
    ) -> CopyStore:
        """Where copies of what leaves are kept, with a key for this run; former keys only open."""
        copies = self.copies(sealing_key, holder.organization_id, former)
        copies.begin()
        return copies

    def on_file(self, holder: Holder) -> FileStore:
        """The holder's file; what is in it counts by the holder's own signature."""
        own = (holder.organization_id, holder.signing_key)
        return FileStore(self.matters, self.approvals, *own)

    @property
    def words(self) -> tuple[ConsentStore, RetractionStore]:
        """What is kept until the others were told: verdicts and retractions."""
        return self.consents, self.retractions

    def changed_consents(self) -> Sequence[int]:
        """What an import may have changed the answer for: links by name, and birth dates."""
        self.claims.note_roster()
        return self.answers.changed_consents()
