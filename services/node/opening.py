"""Opens everything that a node keeps, and counts it for its status."""

import asyncio
import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from homeroom.catalog import CATALOG
from homeroom.errors import RequestInvalidError
from homeroom.sealing import SealingKey
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.intake_history import Intakes
from services.node.domain.outstanding import OverdueTally
from services.node.domain.partner_logs import PartnerLog
from services.node.migrations import (
    RECORDS,
    RECORDS_VERSION_TABLE,
    STATE,
    STATE_VERSION_TABLE,
)
from services.node.policy import PolicyFiles
from services.node.settings import NodeSettings
from services.node.store.accounts import AccountStore
from services.node.store.acts import ActLog
from services.node.store.aggregates import AggregateStore
from services.node.store.answers import AnswerStore
from services.node.store.approvals import ApprovalStore
from services.node.store.claims import ClaimStore
from services.node.store.consents import ConsentStore
from services.node.store.copies import CopyStore
from services.node.store.datasets import SOURCES
from services.node.store.decision_records import DecisionRecordStore
from services.node.store.destructions import DestructionStore
from services.node.store.log import LogStore
from services.node.store.matters import MatterStore
from services.node.store.partner_logs import PartnerLogStore
from services.node.store.policy_bundles import PolicyBundleStore
from services.node.store.records import RecordStore
from services.node.store.records.history import IntakeHistory
from services.node.store.register import RegisterStore
from services.node.store.retractions import RetractionStore
from services.node.store.rosters import RosterKeeper
from services.node.store.state import StateStore
from services.node.store.stores import Stores
from services.node.store.students import StudentStore
from services.node.store.subject_refs import SubjectRefStore
from services.node.store.views import Views
from services.runtime.audit.standing import LogStanding
from services.runtime.database import bring_up_to_date, open_database
from services.runtime.election import Tenure
from services.runtime.policy import PolicyState

# Consents by the thousand touch pages all over: what cannot be held is read and written again.
_STATE_CACHE_MIB = 48


@dataclass(frozen=True, slots=True)
class Counts:
    """What a node's status counts; implements `NodeCounts`."""

    stores: Stores
    files: PolicyFiles
    standing: LogStanding
    overdue: OverdueTally = field(default_factory=OverdueTally)

    def datasets(self) -> Mapping[str, int]:
        counted = {**self.stores.records.counts(), **self.stores.register.counts()}
        return {dataset.name: counted[SOURCES[dataset.name].stored.name] for dataset in CATALOG}

    def views(self) -> Collection[str]:
        return self.stores.views.names

    def intakes(self) -> Intakes:
        return self.stores.intakes

    def active_consents(self, now: dt.datetime) -> int:
        return self.stores.consents.active_consents(now)

    def problems(self) -> Mapping[ConsentProblem, int]:
        return self.stores.consents.problems()

    def log_size(self) -> int:
        return self.stores.log.size()

    def log_standing(self) -> LogStanding:
        return self.standing

    def partner_logs(self) -> Mapping[str, PartnerLog]:
        return self.stores.partner_logs.partner_logs()

    def overdue_certificates(self) -> int:
        return self.overdue.count

    def engine(self) -> str:
        return self.files.federation.running.name

    def policies(self) -> tuple[PolicyState, PolicyState]:
        return self.files.federation.state, self.files.local.state


def bring_tables_up_to_date(records_url: str, state_url: str) -> None:
    """Applies to both databases the migrations that they have not seen yet."""
    bring_up_to_date(records_url, RECORDS, RECORDS_VERSION_TABLE)
    bring_up_to_date(state_url, STATE, STATE_VERSION_TABLE)


def open_stores(
    records_url: str, state_url: str, views: Views | None = None, tenure: Tenure | None = None
) -> Stores:
    """Brings both databases up to date and opens them, with the views beside them.

    Args:
        records_url: the database of records.
        state_url: the database of the node's own state.
        views: the organization's own database, where there is one.
        tenure: in which alone the node may write; None for a node that is the only one.
    """
    views = views or Views()
    bring_tables_up_to_date(records_url, state_url)
    state, records = open_database(state_url, _STATE_CACHE_MIB), open_database(records_url)
    if tenure is not None:
        tenure.fence(state)
    roster = RosterKeeper(records)
    return Stores(
        copies=partial(CopyStore, state),
        records=RecordStore(records_url),
        state=StateStore(state, records),
        consents=ConsentStore(state),
        students=StudentStore(state, records),
        roster=roster,
        claims=ClaimStore(state, roster),
        retractions=RetractionStore(state),
        log=LogStore(state),
        accounts=AccountStore(state),
        acts=ActLog(state),
        register=RegisterStore(state),
        destructions=DestructionStore(state),
        names=(names := SubjectRefStore(state)),
        answers=AnswerStore(records_url, state_url, names, views),
        aggregates=AggregateStore(state),
        decisions=DecisionRecordStore(state),
        bundles=PolicyBundleStore(state),
        matters=MatterStore(state, records),
        approvals=ApprovalStore(state),
        partner_logs=PartnerLogStore(state),
        views=views,
        intakes=IntakeHistory(records),
    )


async def open_from(settings: NodeSettings, tenure: Tenure | None = None) -> Stores:
    """What the settings name, opened; with the views that they name."""
    views = Views.open(settings.views_url, settings.views, settings.view_seconds)
    urls = (settings.records_url, settings.state_url)
    return await asyncio.to_thread(open_stores, *urls, views, tenure)


def former_keys(folder: Path | None) -> Sequence[SealingKey]:
    """The sealing keys that the organization had before.

    Raises:
        EvidenceInvalidError: if a file there holds no such key.
        RequestInvalidError: if there is no key: then what is meant is elsewhere.
    """
    if folder is None:
        return ()
    keys = [SealingKey.load(path) for path in sorted(folder.glob("*.pem"))]
    if not keys:
        raise RequestInvalidError("no *.pem is there", field="former_sealing_keys")
    return keys
