"""Keeps what became of identity claims: matches them, and holds the queue that people work."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, or_, select, update

from homeroom.errors import ChangedMeanwhileError, RequestInvalidError
from services.node.domain.claim_links import (
    IN_QUEUE,
    IN_USE,
    ClaimLink,
    LinkState,
    Nearby,
    confirmed,
    matched,
    near,
    not_rejected,
    rejected,
    undone,
)
from services.node.domain.matching import Identity, RosterIndex
from services.node.domain.matching.match import Surroundings
from services.node.domain.recorder_names import KnownAs
from services.node.domain.reviewing import Act, Undone
from services.node.store.claim_rows import (
    act_done,
    digests,
    keep_act,
    links_of,
    read_links,
    remember_undone,
    settle_anew,
    undone_pairs,
    write_links,
)
from services.node.store.claim_tables import CLAIM_LINK, MATCHING, UNDONE_LINK
from services.node.store.consent_tables import CONSENT
from services.node.store.consents import mark_due
from services.node.store.contests import contest, keep_names, newest_names
from services.node.store.database import available
from services.node.store.lists import in_lists
from services.node.store.retractions import note_retractions
from services.node.store.rosters import RosterKeeper
from services.node.store.subject_refs import retire
from services.node.store.wrong_links import disclosed_about, recipients_of
from services.runtime.database import writing

_LINK = CLAIM_LINK.c
_UNDONE = UNDONE_LINK.c
_QUEUE = tuple(sorted(IN_QUEUE))
_NO_ROSTER = RosterIndex(())
_NOBODY: Mapping[str, Nearby] = {}
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a form says of its student, and the name by which its recorder knows the student."""

    identity: Identity
    known_as: KnownAs | None = None

    def known_by(self, newest: Mapping[KnownAs, KnownAs]) -> KnownAs | None:
        """The name that the recorder has for the student now."""
        return newest.get(self.known_as, self.known_as) if self.known_as else None


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """The roster of one import, as far as some claims need it.

    Attributes:
        nearby: who is near them; where a claim has nobody here, it is looked up in `roster`.
    """

    run: int
    given_names: Collection[str]
    nearby: Mapping[str, Nearby]
    roster: RosterIndex = _NO_ROSTER

    def near(self, link: ClaimLink) -> Surroundings:
        known = self.nearby.get(link.consent_id)
        return near(link, self.roster) if known is None else not_rejected(link, known.found)


class ClaimStore:
    """The claims of a node, in SQLite or PostgreSQL."""

    def __init__(self, state: Engine, roster: RosterKeeper) -> None:
        self._state = state
        self._roster = roster

    # Matching.

    @available()
    def match(
        self,
        claims: Mapping[str, Claimed],
        coded: Collection[tuple[KnownAs, int]] = (),
        nearby: Mapping[str, Nearby] = _NOBODY,
    ) -> Mapping[str, ClaimLink]:
        """What becomes of the claims of these consents, by the roster as it is now.

        Args:
            claims: what the consents say.
            coded: recorders' names for students whose forms bear a code.
            nearby: who is near their claims, where that was looked up before.
        """
        roster = self._looked_up(claims, nearby)
        with self._state.connect() as connection:
            before = links_of(connection, claims)
            names = {one.known_as for one in claims.values() if one.known_as}
            newest = newest_names(connection, names)
        asked = [
            before.get(consent_id)
            or ClaimLink(consent_id, one.identity, known_as=one.known_by(newest))
            for consent_id, one in claims.items()
        ]
        around = [roster.near(link) for link in asked]
        with writing(self._state) as connection:
            digests(connection, roster.run)
            gone = _undone_before(connection, asked, around)
            now = [
                matched(link, found, gone.get(link.consent_id, frozenset()))
                for link, found in zip(asked, around, strict=True)
            ]
            changed = [
                link
                for link, old in zip(now, asked, strict=True)
                if link is not old or link.consent_id not in before
            ]
            write_links(connection, changed, before.keys())
            keep_names(connection, coded)
            doubted = contest(
                connection,
                {link.student_key for link in now if link.student_key is not None}
                | {student_key for _, student_key in coded},
                {link.known_as for link in now if link.known_as} | {name for name, _ in coded},
                roster.given_names,
                {link.consent_id: link.claim for link in now},
            )
        return {link.consent_id: doubted.get(link.consent_id, link) for link in now}

    def _looked_up(self, claims: Iterable[str], nearby: Mapping[str, Nearby]) -> "_LookedUp":
        """The roster, or what was looked up in it for every one of these claims as it is now."""
        run = self._roster.last_run()
        newest = {name: one for name, one in nearby.items() if one.run == run}
        if newest and newest.keys() >= set(claims):
            return _LookedUp(run, next(iter(newest.values())).given_names, newest)
        roster, run = self._roster.current()
        return _LookedUp(run, roster.given_names, {}, roster)

    @available()
    def note_roster(self) -> None:
        """Has claims matched again that an import may have changed the answer for."""
        run = self._roster.last_run()
        with self._state.connect() as connection:
            seen = connection.scalar(select(MATCHING.c.seen_run)) or 0
        if run == seen:
            return
        changed = self._roster.changed_since(seen)
        days = {day for _, born in changed for day in _days(born)}
        with writing(self._state) as connection:
            digests(connection)
            self._mark_due(connection, [key for key, _ in changed], days)
            connection.execute(update(MATCHING).values(seen_run=run))

    def _mark_due(
        self, connection: Connection, student_keys: Sequence[int], days: Iterable[dt.date]
    ) -> None:
        waiting = or_(_LINK.state.in_((*_QUEUE, LinkState.UNMATCHED)), _LINK.birth_date.is_(None))
        touched = [waiting]
        touched += [_LINK.student_key.in_(some) for some in in_lists(student_keys)]
        touched += [_LINK.birth_date.in_(some) for some in in_lists(days)]
        for which in touched:
            mark_due(connection, CONSENT.c.consent_id.in_(select(_LINK.consent_id).where(which)))

    # The queue.

    @available()
    def queue(self, after: str, most: int) -> Sequence[ClaimLink]:
        """The claims that wait for a person, in the order of their consents."""
        withdrawn = select(CONSENT.c.consent_id).where(CONSENT.c.revoked_at.is_not(None))
        query = (
            select(_LINK.consent_id)
            .where(
                _LINK.state.in_(_QUEUE),
                _LINK.offers != "[]",
                _LINK.consent_id > after,
                _LINK.consent_id.not_in(withdrawn),
            )
            .order_by(_LINK.consent_id)
            .limit(most)
        )
        with self._state.connect() as connection:
            ids = list(connection.scalars(query))
            links = links_of(connection, ids)
        return [links[consent_id] for consent_id in ids]

    @available()
    def waiting(self) -> int:
        """How many claims wait for a person."""
        with self._state.connect() as connection:
            return (
                connection.scalar(
                    select(func.count()).where(_LINK.state.in_(_QUEUE), _LINK.offers != "[]")
                )
                or 0
            )

    @available()
    def done(self, act: Act) -> Mapping[str, Any] | None:
        """How an act ended that was done before; None if it was not.

        Raises:
            AlreadyRecordedError: if its request_id was used for something else.
        """
        with self._state.connect() as connection:
            return act_done(connection, act)

    @available()
    def require_waiting(self, consent_id: str, student_key: int | None) -> None:
        """Returns if the claim waits for a person, with this student among its candidates.

        Raises:
            ChangedMeanwhileError: if the claim does not wait for a person.
            RequestInvalidError: if the student is not among its candidates.
        """
        with self._state.connect() as connection:
            _in_queue(connection, consent_id, student_key)

    @available()
    def require_linked(self, consent_id: str) -> None:
        """Returns if the consent is linked by its claim.

        Raises:
            ChangedMeanwhileError: if it is not.
        """
        with self._state.connect() as connection:
            _linked(connection, consent_id)

    @available()
    def confirm(self, act: Act, consent_id: str, student_key: int) -> bool:
        """Links a claim to a student it was offered with; False if a second person has to say so.

        Raises:
            ChangedMeanwhileError: if the claim does not wait for a person.
            RequestInvalidError: if the student is not among its candidates.
        """
        with writing(self._state) as connection:
            link = _in_queue(connection, consent_id, student_key)
            linked = _second_person(connection, link, student_key, act.user.user_id)
            keep_act(connection, act, {"linked": linked})
            if not linked:
                return False
            around = near(link, self._roster.current()[0])
            link = confirmed(link, student_key)
            self._keep(connection, link._replace(known=link.known | around.students))
            self._contest(connection, link, student_key)
            return True

    @available()
    def reject(self, act: Act, consent_id: str) -> None:
        """Notes that a claim is about none of its candidates.

        Raises:
            ChangedMeanwhileError: if the claim does not wait for a person.
        """
        with writing(self._state) as connection:
            link = _in_queue(connection, consent_id)
            keep_act(connection, act, {})
            self._keep(connection, rejected(link))
            self._contest(connection, link, link.student_key)

    @available()
    def undo(self, act: Act, consent_id: str, now: dt.datetime) -> Undone:
        """Undoes a link, with every other consent that names the same child in the same words.

        What they allow ends at once, the recipients' names for the student are taken back and what
        they were answered is to be given up; the pair is remembered.

        Raises:
            ChangedMeanwhileError: if the consent is not linked by its claim.
        """
        with writing(self._state) as connection:
            link, student_key = _linked(connection, consent_id)
            keyed = digests(connection)
            identity = keyed.identity(link.claim)
            same = _LINK.identity_digest == identity, _LINK.student_key == student_key
            wrong = read_links(connection, *same, _LINK.state.in_(tuple(sorted(IN_USE))))
            ids = tuple(each.consent_id for each in wrong)
            recipients = recipients_of(connection, ids, student_key)
            since = connection.scalar(select(func.min(_LINK.changed_at)).where(*same)) or 0
            remember_undone(connection, keyed.pair(identity, student_key), act.user.user_id, now)
            for each in wrong:
                self._keep(connection, undone(each))
            disclosed = disclosed_about(connection, student_key, recipients, since)
            note_retractions(connection, student_key, disclosed, now)
            retire(connection, student_key, recipients, now)
            done = Undone(ids, recipients, disclosed)
            keep_act(connection, act, done.to_json())
            return done

    def _contest(self, connection: Connection, link: ClaimLink, student_key: int | None) -> None:
        about = [] if student_key is None else [student_key]
        names = [link.known_as] if link.known_as else []
        contest(connection, about, names, self._roster.current()[0].given_names, {})

    def _keep(self, connection: Connection, link: ClaimLink) -> None:
        write_links(connection, [link], {link.consent_id})
        settle_anew(connection, [link.consent_id])


def _undone_before(
    connection: Connection, links: Sequence[ClaimLink], around: Sequence[Surroundings]
) -> Mapping[str, frozenset[int]]:
    """For each consent the students near its claim whose link to these names was undone."""
    if connection.scalar(select(_UNDONE.pair_digest).limit(1)) is None:
        return {}
    keyed = digests(connection)
    pairs = {
        link.consent_id: {
            keyed.pair(identity, each.student_key): each.student_key for each in found.candidates
        }
        for link, found in zip(links, around, strict=True)
        for identity in (keyed.identity(link.claim),)
    }
    gone = undone_pairs(connection, {digest for own in pairs.values() for digest in own})
    return {
        consent_id: frozenset(key for digest, key in own.items() if digest in gone)
        for consent_id, own in pairs.items()
    }


def _in_queue(connection: Connection, consent_id: str, student_key: int | None = None) -> ClaimLink:
    link = links_of(connection, [consent_id]).get(consent_id)
    if link is None or link.state not in IN_QUEUE or not link.offers:
        raise ChangedMeanwhileError("this claim does not wait for a person")
    if student_key is not None and student_key not in {o.student_key for o in link.offers}:
        raise RequestInvalidError(
            "the student is not among the candidates", field="confirmed_student_id"
        )
    return link


def _linked(connection: Connection, consent_id: str) -> tuple[ClaimLink, int]:
    link = links_of(connection, [consent_id]).get(consent_id)
    if link is None or not link.in_use or link.student_key is None:
        raise ChangedMeanwhileError("this consent is not linked by a claim")
    return link, link.student_key


def _second_person(connection: Connection, link: ClaimLink, student_key: int, user: str) -> bool:
    """Whether a link may be made that was undone before: once two persons have said so."""
    keyed = digests(connection)
    digest = keyed.pair(keyed.identity(link.claim), student_key)
    gone = undone_pairs(connection, [digest]).get(digest)
    if gone is None:
        return True
    this = _UNDONE.pair_digest == digest
    if gone.confirmed_by in {None, user}:
        connection.execute(update(UNDONE_LINK).where(this).values(confirmed_by=user))
        return False
    connection.execute(delete(UNDONE_LINK).where(this))
    return True


def _days(born: dt.date | None) -> Iterator[dt.date]:
    """The birth dates of claims that could be about who was born on this day."""
    if born is None:
        return
    yield born
    if born.day <= _MONTHS:
        yield born.replace(month=born.day, day=born.month)
