"""Reads and writes what became of claims, row by row."""

import hmac
import json
import secrets
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from homeroom.errors import AlreadyRecordedError
from services.node.domain.claim_links import IN_USE, ClaimLink, LinkState, Offer, Standing
from services.node.domain.matching import Identity, Lane
from services.node.domain.matching.names import name_part
from services.node.domain.recorder_names import KnownAs
from services.node.domain.reviewing import Act
from services.node.store.claim_tables import CLAIM_LINK, MATCHING, REVIEW_ACT, UNDONE_LINK
from services.node.store.consent_rows import drop_grants
from services.node.store.consent_tables import CONSENT, CONSENT_GRANT
from services.node.store.consents import mark_due
from services.node.store.lists import in_lists, one_of
from services.runtime.database import insert_rows

_LINK = CLAIM_LINK.c
_UNDONE = UNDONE_LINK.c
_DIGEST_KEY_BYTES = 32
_EMPTY = "[]"
_FIELDS = tuple(each.name for each in fields(Identity) if each.name != "birth_date")
_TEXTS = attrgetter(*_FIELDS)
REVOKED = select(CONSENT.c.consent_id).where(
    CONSENT.c.consent_id == _LINK.consent_id, CONSENT.c.revoked_at.is_not(None)
)
"""That the consent of a claim was withdrawn."""
STANDING = (*sorted(IN_USE), LinkState.CONTESTED)
"""The states in which a claim is about a student."""
_STANDINGS = select(
    _LINK.consent_id,
    _LINK.student_key,
    _LINK.state,
    _LINK.bits,
    _LINK.claim,
    _LINK.recorder,
    _LINK.known_as,
)


class Digests:
    """Keyed digests of what claims say: nobody without the key can try names on them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def identity(self, claim: Identity) -> str:
        """The same for claims that say the same names and birth date."""
        names = (name_part(each).joined for each in (claim.given, claim.middle, claim.family))
        return self._of("identity", *names, str(claim.birth_date))

    def pair(self, identity_digest: str, student_key: int) -> str:
        """The same for the same names and the same student."""
        return self._of("pair", identity_digest, str(student_key))

    def _of(self, *parts: str) -> str:
        # Read for comparison, a name has letters alone: nothing in it divides.
        return hmac.digest(self._key, "\0".join(parts).encode(), "sha256").hex()


def digests(connection: Connection, run: int = 0) -> Digests:
    """The digests of this node; their key is made once.

    Args:
        connection: to the state.
        run: the import by which the first claims are matched.
    """
    key = connection.scalar(select(MATCHING.c.digest_key))
    if key is None:
        key = secrets.token_bytes(_DIGEST_KEY_BYTES)
        connection.execute(insert(MATCHING).values(matching_id=1, digest_key=key, seen_run=run))
    return Digests(key)


def read_links(connection: Connection, *which: ColumnElement[bool]) -> list[ClaimLink]:
    """What became of some claims."""
    return [_link(row) for row in connection.execute(select(CLAIM_LINK).where(*which))]


def links_of(connection: Connection, consent_ids: Iterable[str]) -> dict[str, ClaimLink]:
    """What became of the claims of these consents, as far as they were matched before."""
    named = one_of(_LINK.consent_id, consent_ids)
    return {link.consent_id: link for link in read_links(connection, named)}


def standings_about(
    connection: Connection,
    student_keys: Collection[int],
    disputed: Collection[int],
    fresh: Mapping[str, Identity],
) -> dict[int, list[Standing]]:
    """The claims about those of these students whose claims may contest each other.

    Args:
        connection: to the state.
        student_keys: the students.
        disputed: those of them whose claims are looked at in any case.
        fresh: what some claims say: those need not be read.
    """
    of_them = (one_of(_LINK.student_key, student_keys), _LINK.state.in_(STANDING))
    # One that was contested, and is the last, is not contested any more.
    left_over = func.min(_LINK.state) == LinkState.CONTESTED
    several = select(_LINK.student_key).where(*of_them).group_by(_LINK.student_key)
    crowded = set(connection.scalars(several.having(or_(func.count() > 1, left_over))))
    crowded |= set(disputed).intersection(student_keys)
    found: dict[int, list[Standing]] = {}
    if crowded:
        about = (one_of(_LINK.student_key, sorted(crowded)), _LINK.state.in_(STANDING))
        for row in connection.execute(_STANDINGS.where(*about, ~REVOKED.exists())):
            consent_id, student_key, state, bits, claim, recorder, known_as = row
            said = fresh.get(consent_id) or claim_of(claim)
            name = KnownAs(recorder, known_as) if known_as is not None else None
            one = Standing(consent_id, said, LinkState(state), bits, name)
            found.setdefault(student_key, []).append(one)
    return found


def write_links(connection: Connection, links: Sequence[ClaimLink], known: Collection[str]) -> None:
    """Keeps what became of claims; those of `known` have a row already."""
    keyed = digests(connection)
    rows = [_row(link, keyed) for link in links]
    fresh = [row for row in rows if row["consent_id"] not in known]
    again = [row for row in rows if row["consent_id"] in known]
    insert_rows(connection, CLAIM_LINK, fresh)
    if again:
        connection.execute(
            update(CLAIM_LINK).where(_LINK.consent_id == bindparam("this_id")),
            [{"this_id": row.pop("consent_id"), **row} for row in again],
        )


def settle_anew(connection: Connection, consent_ids: Iterable[str]) -> None:
    """Takes away at once what these consents allow, until they are settled again."""
    for some in in_lists(consent_ids):
        keys = select(CONSENT.c.consent_key).where(CONSENT.c.consent_id.in_(some))
        drop_grants(connection, CONSENT_GRANT.c.consent_key.in_(keys))
        mark_due(connection, CONSENT.c.consent_id.in_(some))


def undone_pairs(connection: Connection, pair_digests: Iterable[str]) -> Mapping[str, Any]:
    """Which of these pairs were undone."""
    return {
        row.pair_digest: row
        for some in in_lists(pair_digests)
        for row in connection.execute(select(UNDONE_LINK).where(_UNDONE.pair_digest.in_(some)))
    }


def remember_undone(connection: Connection, pair_digest: str, user: str, now: datetime) -> None:
    """Remembers that a link was wrong; whoever confirmed it before is forgotten."""
    connection.execute(delete(UNDONE_LINK).where(_UNDONE.pair_digest == pair_digest))
    connection.execute(
        insert(UNDONE_LINK).values(
            pair_digest=pair_digest, undone_at=int(now.timestamp()), undone_by=user
        )
    )


def act_done(connection: Connection, act: Act) -> Mapping[str, Any] | None:
    """How an act ended that was done before; None if it was not.

    Raises:
        AlreadyRecordedError: if its request_id was used for something else.
    """
    row = connection.execute(
        select(REVIEW_ACT).where(REVIEW_ACT.c.request_id == act.request_id)
    ).first()
    if row is None:
        return None
    if row.digest != act.digest:
        raise AlreadyRecordedError("this request_id was used for something else")
    ending: Mapping[str, Any] = json.loads(row.ending)
    return ending


def keep_act(connection: Connection, act: Act, ending: Mapping[str, Any]) -> None:
    """Keeps how an act ended."""
    connection.execute(
        insert(REVIEW_ACT).values(
            request_id=act.request_id, digest=act.digest, ending=json.dumps(ending)
        )
    )


def _row(link: ClaimLink, keyed: Digests) -> dict[str, Any]:
    return {
        "consent_id": link.consent_id,
        "claim": _claim_json(link.claim),
        "identity_digest": keyed.identity(link.claim),
        "birth_date": link.claim.birth_date,
        "state": str(link.state),
        "student_key": link.student_key,
        "bits": link.bits,
        "lane": str(link.lane),
        "offers": f"[{', '.join(map(_offer_json, link.offers))}]",
        "known": _list_json(sorted(link.known)),
        "rejected": _list_json(sorted(link.rejected)),
        "changed_at": int(time.time()),
        "recorder": link.known_as.recorder if link.known_as else None,
        "known_as": link.known_as.name if link.known_as else None,
    }


def _link(row: Any) -> ClaimLink:
    return ClaimLink(
        row.consent_id,
        claim_of(row.claim),
        LinkState(row.state),
        row.student_key,
        row.bits,
        Lane(row.lane),
        tuple(
            Offer(key, bits, tuple(pattern), tuple(reasons))
            for key, bits, pattern, reasons in _list(row.offers)
        ),
        frozenset(_list(row.known)),
        frozenset(_list(row.rejected)),
        KnownAs(row.recorder, row.known_as) if row.known_as is not None else None,
    )


def _list_json(values: Sequence[Any]) -> str:
    return json.dumps(values) if values else _EMPTY


def _list(text: str) -> Sequence[Any]:
    values: Sequence[Any] = json.loads(text) if text != _EMPTY else ()
    return values


# Written out, as an encoder is made anew for each value: there are thousands, of a few plain parts.


def _claim_json(claim: Identity) -> str:
    texts = zip(_FIELDS, _TEXTS(claim), strict=True)
    said = [f'"{name}": {encode_basestring(value)}' for name, value in texts if value]
    if claim.birth_date:
        said.append(f'"birth_date": "{claim.birth_date.isoformat()}"')
    return f"{{{', '.join(said)}}}"


def _offer_json(offer: Offer) -> str:
    words = f"{_words_json(offer.pattern)}, {_words_json(offer.reasons)}"
    return f"[{offer.student_key}, {offer.bits!r}, {words}]"


@lru_cache(maxsize=4_096)
def _words_json(words: tuple[str, ...]) -> str:
    return json.dumps(words) if words else _EMPTY


def claim_of(text: str) -> Identity:
    """A claim as it was kept."""
    said: dict[str, Any] = json.loads(text)
    born = said.pop("birth_date", None)
    return Identity(birth_date=date.fromisoformat(born) if born else None, **said)
