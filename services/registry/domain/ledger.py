"""What the rules need of the store: to read what stands, and to change it in one step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from services.registry.domain.agreements import RegisteredAgreement
from services.registry.domain.organizations import RegisteredOrganization

Entry = RegisteredOrganization | RegisteredAgreement
E = TypeVar("E", RegisteredOrganization, RegisteredAgreement)


class Ledger(Protocol):
    """What stands in the registry while one change is decided."""

    def organization(self, organization_id: str) -> RegisteredOrganization | None:
        """The organization, if it is registered."""
        ...

    def agreement(self, agreement_id: str) -> RegisteredAgreement | None:
        """An agreement's history, if there is one."""
        ...

    def agreements_of(self, organization_id: str) -> Sequence[RegisteredAgreement]:
        """Every agreement that an organization is or was a party or joiner of."""
        ...

    def sequence(self) -> int:
        """The number of changes so far."""
        ...


@dataclass(frozen=True, slots=True)
class Decision(Generic[E]):
    """What a rule decided.

    Attributes:
        result: what the caller is answered.
        changed: the entries to write; none if nothing changes.
    """

    result: E
    changed: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """One call that may change something, so that a retry is recognized.

    Attributes:
        organization_id: the caller's.
        digest: the SHA-256 digest of the method and everything it was called with.
    """

    organization_id: str
    request_id: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything the registry says at one sequence, in the order of identifiers."""

    sequence: int
    organizations: tuple[RegisteredOrganization, ...]
    agreements: tuple[RegisteredAgreement, ...]


class RegistryStore(Protocol):
    """Keeps the registry's entries in one order of changes. Each call is one transaction."""

    def change(
        self,
        request: ChangeRequest,
        decide: Callable[[Ledger], Decision[E]],
        answer: Callable[[E, int], bytes],
    ) -> bytes:
        """Decides and writes one change; the sequence moves by one if something changed.

        Args:
            request: recognized if it comes again, and then answered as the first time.
            decide: called while nothing else can change.
            answer: what to answer, made of the result and the sequence after the change.

        Raises:
            AlreadyRecordedError: if the request's id was used before for something else.
        """
        ...

    def sequence(self) -> int:
        """The number of changes so far."""
        ...

    def contents(self) -> Contents:
        """Everything, as it stands at one sequence."""
        ...

    def organizations(self, after: str, limit: int) -> Sequence[RegisteredOrganization]:
        """The organizations after an identifier, in the order of identifiers."""
        ...

    def agreements_of(
        self, organization_id: str, after: str, limit: int
    ) -> Sequence[RegisteredAgreement]:
        """An organization's agreements after an identifier, in the order of identifiers."""
        ...
