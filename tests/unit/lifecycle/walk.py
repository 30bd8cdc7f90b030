"""An agreement's life as hypothesis walks it, beside a model of what each has last said.

Whatever the walk tries, the rules agree with the model; whatever they refuse changes nothing.
"""

import datetime as dt
import hashlib
from collections.abc import Collection

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from homeroom.agreement import Schools
from homeroom.errors import HomeroomError
from homeroom.lifecycle import (
    Action,
    AgreementHistory,
    AgreementState,
    CounterProposal,
    EndCause,
    Ending,
    Joining,
    JoiningCountersignature,
    Proposal,
    Resumption,
    Signature,
    Statement,
    Submitted,
    Suspension,
    Terms,
    Withdrawal,
    advance,
    replay,
)
from tests.unit.lifecycle.model import (
    DISTRICTS,
    EVERYONE,
    JOINERS,
    LAST_DAY,
    NAME,
    NOW,
    PRINT,
    Model,
    asked_schools,
    mostly,
    party_sets,
    people,
    places,
    rarely,
    terms,
)


class Life(RuleBasedStateMachine):
    """Everyone may say anything at any time; only what may follow counts."""

    def __init__(self) -> None:
        super().__init__()
        self.history = AgreementHistory(NAME)
        self.documents: dict[bytes, Terms] = {}
        self.model = Model()

    def say(self, who: str, action: Action, version: int, offered: Terms | None = None) -> bool:
        """Says something; whether it was taken. What was refused has changed nothing."""
        before = self.history
        statement = self.stated(who, action, version)
        try:
            self.history = advance(before, Submitted(statement, offered))
        except HomeroomError:
            assert self.history is before
            return False
        if offered is not None:
            self.documents[offered.digest] = offered
        return True

    def stated(self, who: str, action: Action, version: int) -> Statement:
        """What someone says at the end of the history."""
        head = self.history.head
        digest = hashlib.sha256(head + repr((who, action, version)).encode()).digest()
        return Statement(NAME, version, who, NOW, head, action, digest)

    def terms(self, version: int, parties: set[str], *, one_ends_all: bool) -> Terms:
        """The terms of a document for a version, after the one in force."""
        before = self.model.in_force.digest if self.model.in_force else None
        return terms(version, frozenset(parties), before, one_ends_all=one_ends_all)

    def key_ids(self, who: str) -> tuple[str, str]:
        """The fingerprints that an organization names when it joins."""
        return f"{who} signs", f"{who} opens"

    def someone(self, place: int, likely: Collection[str], fits: bool) -> str:
        """One of those of whom it may be taken, where there are any; else just anyone."""
        some = sorted(likely) if likely and fits else EVERYONE
        return some[place % len(some)]

    @property
    def version(self) -> int:
        return len(self.model.agreed)

    @initialize(parties=party_sets, whole=st.booleans(), at_once=mostly)
    def begin(self, parties: set[str], whole: bool, at_once: bool) -> None:
        offered = self.terms(1, parties, one_ends_all=whole)
        who = min(parties)
        assert self.say(who, Proposal(offered.digest, PRINT), 1, offered)
        self.model.proposed = offered
        self.model.sign(who)
        if at_once:
            self.all_sign()

    @rule()
    def all_sign(self) -> None:
        """Every party signs that has not: a version comes into force."""
        proposed = self.model.proposed
        if proposed is None:
            return
        for who in sorted(proposed.parties - self.model.signed):
            assert self.say(who, Signature(proposed.digest, PRINT), proposed.version)
            self.model.sign(who)

    @rule(
        place=places,
        parties=party_sets,
        whole=st.booleans(),
        ahead=st.sampled_from([1, 1, 1, 1, 0, 2]),
        keeping=mostly,
        insider=mostly,
    )
    def offer(
        self,
        place: int,
        parties: set[str],
        whole: bool,
        ahead: int,
        keeping: bool,
        insider: bool,
    ) -> None:
        """A proposal, or a counter-proposal where one is open."""
        model, number = self.model, self.version + ahead
        if keeping and model.in_force is not None:
            parties = parties | (set(model.in_force.parties) - model.ended)
        who = self.someone(place, parties, insider)
        offered = self.terms(number, parties, one_ends_all=whole)
        countered = model.proposed is not None
        action = (CounterProposal if countered else Proposal)(offered.digest, PRINT)
        kept = (
            set()
            if model.in_force is None or model.over()
            else (set(model.in_force.parties) - model.ended)
        )
        heard = set(model.in_force.parties if model.in_force else parties) | set(model.joined)
        if countered and model.proposed is not None:
            heard = set(model.proposed.parties)
        elif model.in_force is None:
            heard = set(parties)
        expected = (
            ahead == 1
            and who in heard & parties
            and kept <= parties
            and not (model.proposed is not None and model.proposed.digest == offered.digest)
        )

        assert self.say(who, action, number, offered) == expected
        if expected:
            model.proposed, model.signed = offered, set()
            model.sign(who)

    @rule(place=places, fits=mostly, other=rarely)
    def sign(self, place: int, fits: bool, other: bool) -> None:
        model = self.model
        proposed = model.proposed
        who = self.someone(place, proposed.parties - model.signed if proposed else (), fits)
        digest = proposed.digest if proposed and not other else b"another document"
        expected = bool(
            proposed and not other and who in proposed.parties and who not in model.signed
        )

        number = self.version + 1
        assert self.say(who, Signature(digest, PRINT), number) == expected
        if expected:
            model.sign(who)

    @rule(who=people)
    def sign_another_print(self, who: str) -> None:
        proposed = self.model.proposed
        digest = proposed.digest if proposed else b""

        assert not self.say(who, Signature(digest, b"another print"), self.version + 1)

    @rule(place=places, fits=mostly)
    def withdraw(self, place: int, fits: bool) -> None:
        proposed = self.model.proposed
        who = self.someone(place, proposed.parties if proposed else (), fits)
        expected = proposed is not None and who in proposed.parties

        assert self.say(who, Withdrawal(), self.version + 1) == expected
        if expected:
            self.model.proposed, self.model.signed = None, set()

    @rule(place=places, fits=mostly, older=rarely)
    def suspend(self, place: int, fits: bool, older: bool) -> None:
        model = self.model
        who = self.someone(place, model.left() - model.suspended, fits)
        expected = not older and model.speaks(who) and who not in model.suspended

        assert self.say(who, Suspension("breach"), self.version - older) == expected
        if expected:
            model.suspended.add(who)

    @rule(place=places, fits=mostly)
    def resume(self, place: int, fits: bool) -> None:
        model = self.model
        who = self.someone(place, model.suspended, fits)
        expected = model.speaks(who) and who in model.suspended

        assert self.say(who, Resumption(), self.version) == expected
        if expected:
            model.suspended.remove(who)

    @rule(place=places, fits=mostly, whole=rarely, older=rarely)
    def end(self, place: int, fits: bool, whole: bool, older: bool) -> None:
        model = self.model
        who = self.someone(place, model.left(), fits)
        expected = not older and model.speaks(who)
        if expected and whole:
            assert model.in_force is not None
            parties = model.in_force.parties
            few = len(parties - model.ended) <= 2
            expected = who in parties and (model.in_force.one_ends_all or few)

        assert self.say(who, Ending(whole), self.version - older) == expected
        if expected:
            model.ended.add(who)
            model.ended_all |= whole
            model.signed.discard(who)

    @rule(
        who=st.sampled_from((*JOINERS, *JOINERS, *EVERYONE)),
        schools=asked_schools,
        kind=st.sampled_from(["community_org"] * 5 + ["vendor"]),
        purpose=st.sampled_from(["direct_service"] * 5 + ["research"]),
        school=st.sampled_from(["E1", "E1", "E1", "E3"]),
    )
    def join(
        self, who: str, schools: dict[str, Schools], kind: str, purpose: str, school: str
    ) -> None:
        model, version = self.model, self.model.in_force
        if school == "E3" and "anytown" in schools:
            schools = {**schools, "anytown": ("E3",)}
        joining = Joining(
            document_digest=version.digest if version else b"",
            rendering_digest=PRINT,
            kind=kind,
            purposes=(purpose,),
            schools=schools,
            signing_key_id=self.key_ids(who)[0],
            sealing_key_id=self.key_ids(who)[1],
            signatory_name="",
            signatory_title="",
        )
        expected = (
            version is not None
            and not model.over()
            and who not in version.parties
            and (kind, purpose) == ("community_org", "direct_service")
            and ("E3",) not in schools.values()
            and set(schools) <= (version.disclosers - model.ended)
        )

        assert self.say(who, joining, self.version) == expected
        if expected:
            model.ended.discard(who)
            model.joined[who] = self.history.head
            model.opened = {(j, h) for j, h in model.opened if j != who}

    @rule(
        place=places,
        other_place=places,
        fits=mostly,
        take_back=rarely,
    )
    def countersign(self, place: int, other_place: int, fits: bool, take_back: bool) -> None:
        model = self.model
        holder = self.someone(place, DISTRICTS, fits)
        joiner = self.someone(other_place, model.joined, fits)
        digest = model.joined.get(joiner, b"no joining")
        joined = self.history.joiner(joiner)
        asked = joined is not None and holder in joined.joining.schools
        live = joiner in model.joined and joiner not in model.ended and not model.over()
        opened = (joiner, holder) in model.opened
        if take_back:
            expected = live and opened
            said = self.say(holder, Withdrawal(digest), self.version)
        else:
            expected = live and asked and not opened and model.speaks(holder)
            said = self.say(holder, JoiningCountersignature(digest), self.version)

        assert said == expected
        if expected and take_back:
            model.opened.remove((joiner, holder))
        elif expected:
            model.opened.add((joiner, holder))

    @rule(who=people)
    def come_late(self, who: str) -> None:
        """What names another statement than the newest is refused, whatever it says."""
        action = Suspension("breach")
        late = Statement(NAME, self.version, who, NOW, b"an older head", action, b"late")
        try:
            advance(self.history, Submitted(late))
        except HomeroomError:
            return
        raise AssertionError("a statement was taken out of its place")

    @invariant()
    def the_rules_and_the_model_say_the_same(self) -> None:
        history, model = self.history, self.model
        version = history.in_force
        assert (version.terms if version else None) == model.in_force
        assert (history.proposed.terms if history.proposed else None) == model.proposed
        assert (history.proposed.signed_by if history.proposed else set()) == model.signed
        assert history.suspended_by == model.suspended
        assert history.ended_by == model.ended
        assert {one.organization_id: one.digest for one in history.joined} == model.joined
        opened = {(j.organization_id, h) for j in history.joined for h in j.countersigned_by}
        assert opened == model.opened
        for who in EVERYONE:
            assert history.takes_part(who) == (model.speaks(who) and who not in model.suspended)

    @invariant()
    def every_version_is_in_exactly_one_state(self) -> None:
        newest = self.version
        for number in range(1, newest):
            assert self.history.state(number)[1] is EndCause.SUPERSEDED
        if self.model.proposed is not None:
            assert self.history.state(newest + 1)[0] in (
                AgreementState.PROPOSED,
                AgreementState.COUNTER_PROPOSED,
                AgreementState.SIGNED_BY_SOME,
            )
        if newest:
            state, cause = self.history.state(newest, LAST_DAY)
            assert (cause is EndCause.TERMINATED) == self.model.over()
            assert (state is AgreementState.ENDED) == self.model.over()
            if not self.model.over():
                late = self.history.state(newest, LAST_DAY + dt.timedelta(days=1))
                assert late == (AgreementState.ENDED, EndCause.EXPIRED)

    @invariant()
    def whoever_replays_the_statements_comes_to_the_same(self) -> None:
        assert replay(NAME, self.history.statements, self.documents) == self.history

    @invariant()
    def no_history_but_this_one_replays_so_far(self) -> None:
        """Without one of them, with one twice, or with two exchanged, they do not replay."""
        statements = self.history.statements
        if len(statements) < 2:
            return
        for changed in (
            statements[1:],
            (*statements[:-2], statements[-1]),
            (*statements, statements[-1]),
            (*statements[:-2], statements[-1], statements[-2]),
        ):
            try:
                replay(NAME, changed, self.documents)
            except HomeroomError:
                continue
            raise AssertionError("another history replays")
