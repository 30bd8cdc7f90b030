"""The records that brought other keys, as the registry keeps them for everyone to follow."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from homeroom.errors import EvidenceInvalidError, TooMuchAskedError
from homeroom.key_history import KeyPeriod, Succession
from homeroom.signing import key_id_of
from services.registry.domain.statements import Statement

MAX_KEY_RECORDS = 100
MAX_KEY_RECORD_BYTES = 1024 * 1024
"""Everyone keeps a copy of all of them; only a recovery is taken beyond these limits."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A record as it was signed, and what it says of keys."""

    record: Statement
    period: KeyPeriod

    def is_of(self, key_id: str) -> bool:
        """Whether its signing key has that fingerprint."""
        return key_id_of(self.period.keys.signing) == key_id

    def compromised(self, key_id: str, since: dt.datetime) -> "KeyRecord":
        """It with the key of that fingerprint marked, not later than it was."""
        marked = self.period.compromised_since
        if not self.is_of(key_id) or (marked is not None and marked <= since):
            return self
        return replace(self, period=replace(self.period, compromised_since=since))


def own_signatures(record: Statement, organization_id: str) -> Mapping[str, bytes]:
    """An organization's signatures on its record, by the fingerprint of the key.

    Raises:
        EvidenceInvalidError: if anybody else signed too, or a key twice.
    """
    found = {one.key_id: one.value for one in record.signatures}
    own = all(one.organization_id == organization_id for one in record.signatures)
    if not own or len(found) != len(record.signatures):
        raise EvidenceInvalidError("an organization signs its record, alone")
    return found


def require_room(records: tuple[KeyRecord, ...], record: Statement, how: Succession) -> None:
    """Lets one more record pass that everyone can be asked to keep a copy of.

    Raises:
        TooMuchAskedError: if there are too many of them.
    """
    size = sum(len(one.record.content) for one in records) + len(record.content)
    too_many = len(records) >= MAX_KEY_RECORDS or size > MAX_KEY_RECORD_BYTES
    if too_many and how is not Succession.RECOVERED:
        raise TooMuchAskedError("the keys were exchanged too often", limit=f"{MAX_KEY_RECORDS}")
