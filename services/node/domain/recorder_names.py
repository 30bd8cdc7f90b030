"""Holds links against what their recorders know: to a recorder, one name is one student.

A form may bear exactly the other twin's name, and so link to the twin: nothing on it shows the
mistake. Its recorder knows the two apart, and says with each form by which name it knows the
student. Where those names and the links disagree, a person looks at the links.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.node.domain.matching import Identity, compare, person_of
from services.node.domain.matching.comparison import BirthDate
from services.node.domain.matching.given_names import Given

_ANOTHER_NAME = frozenset({Given.SIMILAR, Given.RELATED, Given.CLASHING, Given.DIFFERENT})


class KnownAs(NamedTuple):
    """A recorder, and its own name for a student."""

    recorder: str
    name: str


class NamedLink(NamedTuple):
    """A claim that is about a student, and the name by which its recorder knows the student."""

    consent_id: str
    claim: Identity
    known_as: KnownAs | None


@dataclass(frozen=True, slots=True)
class RecordersWord:
    """What recorders say of students, beside the links that are held against it.

    Attributes:
        students: for each name the students whom other links, or codes on forms, give it to.
        names: for a recorder and a student the names that codes on forms give.
        claims: for each name what forms say of the student that are not linked to anyone.
    """

    students: Mapping[KnownAs, Collection[int]] = field(default_factory=dict)
    names: Mapping[tuple[str, int], Collection[str]] = field(default_factory=dict)
    claims: Mapping[KnownAs, Sequence[Identity]] = field(default_factory=dict)


def misnamed(
    student_key: int,
    links: Sequence[NamedLink],
    word: RecordersWord,
    given_names: Collection[str],
) -> frozenset[str]:
    """Those claims about one student that their recorder may have meant for another.

    Args:
        student_key: the student.
        links: the claims.
        word: what recorders say.
        given_names: those that students of the roster bear.
    """
    names: dict[str, set[str]] = {}
    for link in links:
        if link.known_as:
            names.setdefault(link.known_as.recorder, set()).add(link.known_as.name)
    for recorder, own in names.items():
        own.update(word.names.get((recorder, student_key), ()))
    return frozenset(
        link.consent_id
        for link in links
        if link.known_as
        and (
            len(names[link.known_as.recorder]) > 1
            or set(word.students.get(link.known_as, ())) - {student_key}
            or any(
                _another_child(link.claim, each, given_names)
                for each in word.claims.get(link.known_as, ())
            )
        )
    )


def _another_child(one: Identity, other: Identity, given_names: Collection[str]) -> bool:
    """Whether two forms name twins, rather than one child with a slip of the pen.

    A slip of the pen is seldom a name that somebody bears.
    """
    mine, theirs = person_of(one), person_of(other)
    if theirs.name.given.joined not in given_names:
        return False
    evidence = compare(mine, theirs)
    return evidence.given in _ANOTHER_NAME and evidence.birth_date is BirthDate.EQUAL
