"""Links after they were made: other claims, newcomers to the roster, and what a person said."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.node.domain.matching import (
    Hindrance,
    Identity,
    Linked,
    Review,
    RosterEntry,
    RosterIndex,
    match,
    person_of,
)
from services.node.domain.matching.links import Fit, contested, still_holds
from services.node.domain.matching.match import Surroundings, surroundings
from tests.unit.node.matching.people import against, elsewhere, person

_MARIE = person("Marie", "Pierre", sex="F")
_FIRST_NAMES = st.lists(
    st.sampled_from(["Marie", "Mary", "Marie Ange", "Mia"]), min_size=1, max_size=6
)


def test_claims_of_one_identity_do_not_contest_each_other() -> None:
    fits = [_fit("a", _MARIE), _fit("b", elsewhere(_MARIE, family="PIERRE"))]

    assert contested(fits) == frozenset()


def test_two_identities_that_fit_alike_both_go_to_a_person() -> None:
    fits = [_fit("a", replace(_MARIE, middle="Ange")), _fit("b", replace(_MARIE, middle="Rose"))]

    assert contested(fits) == {"a", "b"}


def test_of_two_identities_the_one_that_fits_clearly_better_stays() -> None:
    exact = _fit("exact", person("William", "Vega"), bits=40)
    short = _fit("short", person("Bill", "Vega"), bits=36)

    assert contested([short, exact]) == {"short"}
    assert contested([exact, short]) == {"short"}


def test_what_a_person_confirmed_is_not_contested_and_contests_others() -> None:
    confirmed = _fit("confirmed", person("Billy", "Vega"), bits=20, confirmed=True)
    other = _fit("other", person("William", "Vega"), bits=40)

    assert contested([confirmed, other]) == {"other"}
    assert contested([confirmed, _fit("again", person("Billy", "Vega"), bits=38)]) == frozenset()


def test_trying_many_names_for_one_student_links_none_of_them() -> None:
    tried = [_fit(f"{n}", person("Ivo", "Cruz", middle=chr(97 + n)), bits=n * 4) for n in range(20)]

    assert contested(tried) == {fit.claim_id for fit in tried}


@given(_FIRST_NAMES, st.randoms())
def test_the_order_in_which_claims_arrive_does_not_matter(names: list[str], order: object) -> None:
    fits = [_fit(str(n), person(name, "Cruz"), bits=len(name)) for n, name in enumerate(names)]
    shuffled = list(fits)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random

    assert contested(fits) == contested(shuffled)


def test_a_twin_who_enrolls_later_brings_a_short_form_back_to_a_person() -> None:
    claim, student = person("Beto", "Vega"), person("Alberto", "Vega")
    twin = person("Marcos", "Vega")

    assert isinstance(against(claim, student), Linked)
    assert still_holds(1, _near(claim, student))
    assert not still_holds(1, _near(claim, student, twin))
    assert still_holds(1, _near(claim, student, twin), known={1, 2})


def test_a_twin_who_enrolls_later_leaves_an_exact_link_alone() -> None:
    claim = person("Alberto", "Vega")

    assert still_holds(1, _near(claim, claim, person("Alfonso", "Vega")))


def test_a_look_alike_who_enrolls_later_brings_a_mistyped_name_back_to_a_person() -> None:
    claim, student = person("Jaden", "Vega"), person("Jayden", "Vega")

    assert still_holds(1, _near(claim, student), known={1})
    assert not still_holds(1, _near(claim, student, person("Kaden", "Vega")), known={1})


def test_a_family_that_moves_keeps_its_links() -> None:
    claim = person("Alberto", "Vega")

    assert still_holds(1, _near(claim, elsewhere(claim)))


def test_a_student_who_turns_out_to_be_someone_else_loses_the_link() -> None:
    claim = person("Alberto", "Vega")

    assert not still_holds(1, _near(claim, person("Rosalinda", "Vega")))
    assert not still_holds(1, _near(claim, replace(claim, birth_date=None, given="Marta")))


def test_an_undone_link_is_never_made_again_by_itself() -> None:
    claim = person("Alberto", "Vega")
    roster = RosterIndex([RosterEntry(1, claim)])
    outcome = match(claim, roster, undone={1})

    assert isinstance(outcome, Review)
    assert Hindrance.UNDONE in outcome.candidates[0].hindrances


def _fit(claim_id: str, claim: Identity, bits: float = 40.0, confirmed: bool = False) -> Fit:
    return Fit(claim_id, person_of(claim), bits, confirmed)


def _near(claim: Identity, *students: Identity) -> Surroundings:
    roster = RosterIndex(RosterEntry(key, one) for key, one in enumerate(students, 1))
    return surroundings(person_of(claim), roster)
