"""Finds the few students of a roster that a claim could be about, without comparing them all."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import product
from math import log2

from services.node.domain.matching.comparison import (
    PLACEHOLDER_YEARS,
    BirthDate,
    compare_birth_dates,
)
from services.node.domain.matching.identity import Person, RosterEntry, person_of
from services.node.domain.matching.names import NamePart, PersonName
from services.node.domain.matching.scoring import name_bits

_Rows = dict[object, list[int]]

_BLOCK_LIMIT = 512
"""A key that more students share than this finds nobody: it tells nothing."""
_SHARED_HOUSEHOLD = 12
"""A telephone or address of more students than this is a shelter's or a school's, not a home's."""
_LARGE_ENOUGH = 1_000
_CITY = 100_000
_BIRTH_DATES = 18 * 365
_SECOND_BEARERS = 1e-4
_RARE_BITS = log2(_CITY / _BIRTH_DATES / _SECOND_BEARERS)
"""A name is rare if a second child of a large city has it and the same birth date once in 10,000
times."""
_LEAST_BITS = 10.0
_MARGIN_BITS = 2.5
_MONTHS = 12
_DIFFERENT = BirthDate.DIFFERENT


class RosterIndex:
    """A roster, ready for claims; immutable once it is made."""

    def __init__(self, entries: Iterable[RosterEntry]) -> None:
        self.keys: list[int] = []
        self.persons: list[Person] = []
        self._by_id: _Rows = defaultdict(list)
        self._by_home: _Rows = defaultdict(list)
        self._by_date: _Rows = defaultdict(list)
        self._by_name: _Rows = defaultdict(list)
        self._crowded_dates: dict[object, _Rows] = {}
        self._names: list[frozenset[str]] = []
        self._years: list[int] = []
        for entry in entries:
            person = person_of(entry.identity)
            if not person.name.placeholder:
                self._add(entry.student_key, person)
        self._split_crowded_dates()
        self._row_of = {key: row for row, key in enumerate(self.keys)}
        names = [person.name for person in self.persons]
        self._given_bits = _bits_of(
            (given for name in names for given in {name.given.joined, *name.given.words}),
            len(names),
        )
        self._surname_bits = _bits_of(
            (part for name in names for part in set(name.family.core)), len(names)
        )
        self._unknown_bits = name_bits(0, len(self.keys))

    def __len__(self) -> int:
        return len(self.keys)

    def row_of(self, student_key: int) -> int | None:
        """The row of a student; None if the roster has no such student."""
        return self._row_of.get(student_key)

    @property
    def least_bits(self) -> float:
        """What a pair must have to be worth a person's look: more for a larger roster."""
        return max(_LEAST_BITS, log2(len(self.keys) or 1)) + _MARGIN_BITS

    def rows_for(self, claim: Person) -> set[int]:
        """The rows that share something telling with a claim."""
        rows: set[int] = set()
        if claim.local_id:
            rows.update(self._few(self._by_id, claim.local_id))
        rows.update(self._at_home(claim))
        parts = _parts(claim)
        for date in _dates(claim.birth_date):
            rows.update(self._born(date, parts))
        rows.update(self._named(claim))
        return rows

    def shares_id(self, local_id: str) -> bool:
        """Whether several students have one id."""
        return len(self._by_id.get(local_id, ())) > 1

    def is_shared_home(self, home: str) -> bool:
        """Whether so many students have this telephone or address that it is no household's."""
        return len(self._by_home.get(home, ())) > _SHARED_HOUSEHOLD

    def given_bits(self, name: NamePart) -> float:
        """What agreeing on a given name tells in this roster."""
        return self._given_bits.get(name.joined, self._unknown_bits)

    @property
    def given_names(self) -> Collection[str]:
        """The given names that students bear, read for comparison."""
        return self._given_bits.keys()

    def surname_bits(self, name: NamePart) -> float:
        """What agreeing on a surname tells in this roster: its rarest part does."""
        known, unknown = self._surname_bits, self._unknown_bits
        return max([known.get(part, unknown) for part in name.core], default=unknown)

    def is_rare(self, *spellings: PersonName) -> bool:
        """Whether hardly two children of one city have this name and one birth date.

        A small roster cannot tell what is rare.
        """
        if len(self.keys) < _LARGE_ENOUGH:
            return False
        return all(self._full_name_bits(name) >= _RARE_BITS for name in spellings)

    def _full_name_bits(self, name: PersonName) -> float:
        return self.given_bits(name.given) + sum(
            self._surname_bits.get(part, self._unknown_bits) for part in name.family.core
        )

    def _add(self, student_key: int, person: Person) -> None:
        row = len(self.keys)
        self.keys.append(student_key)
        self.persons.append(person)
        self._names.append(frozenset(_parts(person)))
        self._years.append(person.birth_date.year if person.birth_date else 0)
        if person.local_id:
            self._by_id[person.local_id].append(row)
        for home in (person.phone, person.address):
            if home:
                self._by_home[home].append(row)
        if person.birth_date:
            self._by_date[person.birth_date].append(row)
        for pair in _name_pairs(person):
            self._by_name[pair].append(row)

    def _split_crowded_dates(self) -> None:
        """Refines the dates that too many share: 1 January stands for a day that is not known."""
        for date, rows in self._by_date.items():
            if len(rows) <= _BLOCK_LIMIT:
                continue
            refined: _Rows = defaultdict(list)
            for row in rows:
                for part in self._names[row]:
                    refined[part].append(row)
            self._crowded_dates[date] = refined

    def _at_home(self, claim: Person) -> Iterator[int]:
        """Who shares telephone or address: all but brothers and sisters of another age."""
        given = claim.name.given.joined
        homes = [home for home in (claim.phone, claim.address) if home]
        # Most who share the one share the other.
        rows = {row for home in homes for row in self._few(self._by_home, home)}
        yield from self._of_age(rows, claim)
        yield from (row for row in rows if self.persons[row].name.given.joined == given)

    def _born(self, date: dt.date, parts: set[str]) -> Iterator[int]:
        """Who was born on a date and has some part of the name."""
        rows = self._by_date.get(date, ())
        if len(rows) > _BLOCK_LIMIT:
            for part in parts:
                yield from self._few(self._crowded_dates[date], part)
            return
        names = self._names
        yield from (row for row in rows if not parts.isdisjoint(names[row]))

    def _named(self, claim: Person) -> Iterator[int]:
        """Who has both names and may have the birth date, mistyped."""
        pairs = _name_pairs(claim)
        return self._of_age(
            {row for pair in pairs for row in self._few(self._by_name, pair)}, claim
        )

    def _of_age(self, rows: Iterable[int], claim: Person) -> Iterator[int]:
        """Those whose birth date may be the claim's, mistyped."""
        born, years = claim.birth_date, self._years
        if born is None:
            yield from rows
            return
        # Most are years apart: those need no closer look.
        first, last = born.year - PLACEHOLDER_YEARS, born.year + PLACEHOLDER_YEARS
        for row in rows:
            if first <= years[row] <= last:
                if compare_birth_dates(born, self.persons[row].birth_date) is not _DIFFERENT:
                    yield row
            elif not years[row]:
                yield row

    def _few(self, rows: _Rows, key: object) -> Iterable[int]:
        found = rows.get(key, ())
        return found if len(found) <= _BLOCK_LIMIT else ()


def _bits_of(names: Iterable[str], students: int) -> dict[str, float]:
    """What agreeing on each name tells, by how many bear it."""
    return {name: name_bits(bearers, students) for name, bearers in Counter(names).items()}


def _dates(date: dt.date | None) -> Iterator[dt.date]:
    if date is None:
        return
    yield date
    if date.day != date.month and date.day <= _MONTHS:
        yield date.replace(month=date.day, day=date.month)


def _name_pairs(person: Person) -> set[tuple[str, str]]:
    """A given name with each surname, whichever was written first."""
    given, family = person.name.given, person.name.family
    if not given or not family:
        return set()
    pairs = product({given.joined, given.words[0]}, {family.joined, *family.core})
    return {(one, other) if one < other else (other, one) for one, other in pairs}


def _parts(person: Person) -> set[str]:
    given, family = person.name.given, person.name.family
    parts = {given.joined, *given.words, family.joined, *family.core}
    parts.discard("")
    return parts
