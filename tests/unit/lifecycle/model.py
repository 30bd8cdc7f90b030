"""What each has last said of an agreement, without any rule of what may follow."""

import datetime as dt
import hashlib
from dataclasses import dataclass, field

from hypothesis import strategies as st

from homeroom.lifecycle import (
    JoiningOffer,
    Terms,
)

NAME = "A-1"
NOW = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
LAST_DAY = dt.date(2027, 7, 31)
DISTRICTS = ("anytown", "riverton")
PROGRAMS = ("helpers", "mentors")
PARTIES = (*DISTRICTS, *PROGRAMS)
JOINERS = ("shelter", "tutors")
EVERYONE = (*PARTIES, *JOINERS)
PRINT = b"print"
OFFER = JoiningOffer(
    kinds=frozenset({"community_org"}),
    purposes=frozenset({"direct_service"}),
    schools={"anytown": ("E1", "E2"), "riverton": "all"},
    open_until=LAST_DAY,
)

people = st.sampled_from(EVERYONE)
places = st.integers(0, 99)
mostly = st.sampled_from([True, True, True, True, False])
rarely = st.sampled_from([False, False, False, False, True])
party_sets = st.sets(st.sampled_from(PARTIES), min_size=2).filter(lambda s: s & set(DISTRICTS))
asked_schools = st.sampled_from(
    [{"anytown": ("E1",)}, {"riverton": "all"}, {"anytown": ("E2",), "riverton": ("R1",)}]
)


def terms(
    version: int, parties: frozenset[str], before: bytes | None, *, one_ends_all: bool
) -> Terms:
    """The terms of one document; any other has another digest."""
    said = f"{version} {sorted(parties)} {before!r} {one_ends_all}"
    return Terms(
        agreement_id=NAME,
        version=version,
        digest=hashlib.sha256(said.encode()).digest(),
        supersedes=before,
        disclosers=parties & set(DISTRICTS),
        recipients=parties,
        last_day=LAST_DAY,
        one_ends_all=one_ends_all,
        offer=OFFER,
    )


@dataclass
class Model:
    """What each has last said, without any rule of what may follow."""

    agreed: list[Terms] = field(default_factory=list)
    proposed: Terms | None = None
    signed: set[str] = field(default_factory=set)
    suspended: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    ended_all: bool = False
    joined: dict[str, bytes] = field(default_factory=dict)
    opened: set[tuple[str, str]] = field(default_factory=set)

    @property
    def in_force(self) -> Terms | None:
        return self.agreed[-1] if self.agreed else None

    def left(self) -> set[str]:
        known = self.in_force.parties if self.in_force else frozenset()
        return (set(known) | set(self.joined)) - self.ended

    def over(self) -> bool:
        disclosers = self.left() & set(DISTRICTS)
        return self.ended_all or not disclosers or len(self.left()) < 2

    def speaks(self, who: str) -> bool:
        """Whether an organization has a part in the version in force that it has not ended."""
        return self.in_force is not None and not self.over() and who in self.left()

    def sign(self, who: str) -> None:
        assert self.proposed is not None
        self.signed.add(who)
        if self.signed >= self.proposed.parties:
            self.agreed.append(self.proposed)
            self.suspended &= self.proposed.parties
            self.proposed, self.signed = None, set()
            self.ended, self.ended_all, self.joined, self.opened = set(), False, {}, set()
