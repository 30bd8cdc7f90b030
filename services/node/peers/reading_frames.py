"""Writes what a node and the process that reads consents for it tell each other, and reads it.

Both are this program, and each answer is of thousands of small objects: they are pickled. What is
read may be of the kinds listed here and of no other.
"""

import copyreg
import datetime as dt
import io
import pickle  # between a process and its own child; kinds are listed below
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from homeroom.consent_terms import Authentication, ConsentTerms, IdentityClaim, OpenedConsent
from homeroom.errors import ServiceUnreachableError
from homeroom.key_history import SigningKeys
from homeroom.question import Period
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.consent_book import Arrived, Change, Narrowed, Revoked, Rotated
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Withdrawn
from services.node.domain.matching import Candidate, Hindrance
from services.node.domain.matching.comparison import BirthDate, Evidence, Field
from services.node.domain.matching.given_names import Given, Middle
from services.node.domain.matching.match import Surroundings
from services.node.domain.matching.surnames import Surname

LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Employer:
    """For whom consents are read: the first frame.

    Attributes:
        sealing_key: the holder's private key for what is sealed to it, its 32 bytes.
        records_url: where the roster is.
        former_keys: those that it had before, for what was on its way.
    """

    organization_id: str
    sealing_key: bytes
    records_url: str
    former_keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ToRead:
    """What is to be read: a page of changes as it came, or consents that were kept as they came.

    Attributes:
        page: the serialized changes; empty if there are none.
        kept: consents by identifier, recorder, evidence and when they were taken.
        keys: the public signing keys of every organization.
        known_run: the import whose given names the asking side has.
    """

    page: bytes
    kept: Sequence[tuple[str, str, bytes, dt.datetime]]
    keys: Mapping[str, SigningKeys]
    now: dt.datetime
    known_run: int


@dataclass(frozen=True, slots=True)
class WasRead:
    """What was read.

    Attributes:
        near: for each change who is near its claim in the roster; None where there is no claim.
        run: the import that left the roster so.
        given_names: those that its students bear; None if the asking side has them.
    """

    changes: Sequence[Change]
    near: Sequence[Surroundings | None]
    run: int
    given_names: frozenset[str] | None


_PLAIN = (
    *(Employer, ToRead, WasRead, Arrived, Revoked, Narrowed, Rotated, Withdrawn, Surroundings),
    *(OpenedConsent, ConsentTerms, IdentityClaim, Authentication, Period),
)
"""Data classes with slots: written and read slot by slot, which halves what pickle takes."""
_OTHERS = (
    *(Candidate, Evidence, Hindrance, Given, Middle, Surname, BirthDate, Field),
    *(ConsentProblem, ConsentForm, Element, SignerRelation),
    *(dt.date, dt.datetime, dt.timedelta, dt.timezone),
)
_SETTERS = {
    kind: tuple(kind.__dict__[field.name].__set__ for field in fields(kind)) for kind in _PLAIN
}


def frame_of(value: object) -> bytes:
    """A value with its length before it."""
    written = io.BytesIO()
    _Writer(written, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    content = written.getvalue()
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def value_of(content: bytes) -> Any:
    """The value of a frame, without its length.

    Raises:
        ServiceUnreachableError: if it is of another kind than these two processes tell each other.
    """
    return _Reader(io.BytesIO(content)).load()


def rebuilt(kind: type[Any], *values: object) -> object:
    """A data class by the values of its slots: what was checked once is not checked again."""
    made = object.__new__(kind)
    for set_slot, value in zip(_SETTERS[kind], values, strict=True):
        set_slot(made, value)
    return made


def _taken_apart(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    values_of = attrgetter(*(field.name for field in fields(kind)))
    return lambda one: (rebuilt, (kind, *values_of(one)))


class _Writer(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | {kind: _taken_apart(kind) for kind in _PLAIN}


class _Reader(pickle.Unpickler):
    _kinds: Mapping[tuple[str, str], Any] = {  # read only
        (kind.__module__, kind.__qualname__): kind for kind in (*_PLAIN, *_OTHERS, rebuilt)
    }

    def find_class(self, module: str, name: str) -> Any:
        found = self._kinds.get((module, name))
        if found is None:
            raise ServiceUnreachableError("the process that reads consents said something else")
        return found
