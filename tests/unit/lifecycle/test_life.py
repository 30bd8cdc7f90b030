"""An agreement's life, walked by hypothesis: what may follow what, and what stands after it.

A model keeps, in the simplest form, what each party has last said. Whatever the walk tries, the
rules agree with the model; whatever they refuse changes nothing.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

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
    JoiningOffer,
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


class Life(RuleBasedStateMachine):
    """Everyone may say anything at any time; only what may follow counts."""

    def __init__(self) -> None:
        super().__init__()
        self.history = AgreementHistory(NAME)
        self.documents: dict[bytes, Terms] = {}
        self.model = Model()

    def say(self, who: str, action: Action, version: int, offered: Terms | None = None) -> bool:
        """Says something; whether it was taken. What was refused has changed nothing."""
        head = self.history.head
        digest = hashlib.sha256(head + repr((who, action, version)).encode()).digest()
        statement = Statement(NAME, version, who, NOW, head, action, digest)
        before = self.history
        try:
            self.history = advance(before, Submitted(statement, offered))
        except HomeroomError:
            assert self.history is before
            return False
        if offered is not None:
            self.documents[offered.digest] = offered
        return True

    @property
    def version(self) -> int:
        return len(self.model.agreed)

    @initialize(parties=party_sets, whole=st.booleans())
    def begin(self, parties: set[str], whole: bool) -> None:
        offered = terms(1, frozenset(parties), None, one_ends_all=whole)
        who = min(parties)
        assert self.say(who, Proposal(offered.digest, PRINT), 1, offered)
        self.model.proposed = offered
        self.model.sign(who)

    @rule(who=people, parties=party_sets, whole=st.booleans(), ahead=st.integers(0, 2))
    def offer(self, who: str, parties: set[str], whole: bool, ahead: int) -> None:
        """A proposal, or a counter-proposal where one is open."""
        model, number = self.model, self.version + ahead
        before = model.in_force.digest if model.in_force else None
        offered = terms(number, frozenset(parties), before, one_ends_all=whole)
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
            heard = set() if self.history.statements else set(parties)
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

    @rule(who=people, other=st.booleans())
    def sign(self, who: str, other: bool) -> None:
        model = self.model
        proposed = model.proposed
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

    @rule(who=people)
    def withdraw(self, who: str) -> None:
        proposed = self.model.proposed
        expected = proposed is not None and who in proposed.parties

        assert self.say(who, Withdrawal(), self.version + 1) == expected
        if expected:
            self.model.proposed, self.model.signed = None, set()

    @rule(who=people, older=st.booleans())
    def suspend(self, who: str, older: bool) -> None:
        model = self.model
        expected = not older and model.speaks(who) and who not in model.suspended

        assert self.say(who, Suspension("breach"), self.version - older) == expected
        if expected:
            model.suspended.add(who)

    @rule(who=people)
    def resume(self, who: str) -> None:
        model = self.model
        expected = model.speaks(who) and who in model.suspended

        assert self.say(who, Resumption(), self.version) == expected
        if expected:
            model.suspended.remove(who)

    @rule(who=people, whole=st.booleans(), older=st.booleans())
    def end(self, who: str, whole: bool, older: bool) -> None:
        model = self.model
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
        who=people,
        schools=asked_schools,
        kind=st.sampled_from(["community_org", "vendor"]),
        purpose=st.sampled_from(["direct_service", "research"]),
        school=st.sampled_from(["E1", "E3"]),
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
            signing_key_id="s",
            sealing_key_id="h",
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

    @rule(holder=people, joiner=st.sampled_from(EVERYONE), take_back=st.booleans())
    def countersign(self, holder: str, joiner: str, take_back: bool) -> None:
        model = self.model
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


def test_whatever_anyone_says_only_what_may_follow_counts() -> None:
    """No walk makes the rules and the model differ, nor a refusal change anything."""
    walks = settings(max_examples=60, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(Life, settings=walks)


def test_a_suspension_holds_across_a_new_version() -> None:
    """What one party suspended is not resumed by another's last signature on an amendment."""
    parties = frozenset({"anytown", "helpers"})
    first = terms(1, parties, None, one_ends_all=False)
    second = terms(2, parties, first.digest, one_ends_all=True)
    history = AgreementHistory(NAME)
    for who, action, version, offered in (
        ("anytown", Proposal(first.digest, PRINT), 1, first),
        ("helpers", Signature(first.digest, PRINT), 1, None),
        ("anytown", Proposal(second.digest, PRINT), 2, second),
        ("anytown", Suspension("breach"), 1, None),
        ("helpers", Signature(second.digest, PRINT), 2, None),
    ):
        digest = hashlib.sha256(repr((who, action)).encode()).digest()
        said = Statement(NAME, version, who, NOW, history.head, action, digest)
        history = advance(history, Submitted(said, offered))

    assert history.state(2) == (AgreementState.SUSPENDED, None)
    assert replace(history, suspended_by=frozenset()).state(2) == (AgreementState.ACTIVE, None)
