"""Matching on made-up families of other seeds, sizes and names than those it was made with."""

import pytest

from benchmarks.families import Child, make_children, split
from services.node.domain.matching import Linked
from tools.measure_matching import Measured, Record, match_all, measure

_SEEDS = (11, 12, 13)
_FAMILIES = 2_000


@pytest.mark.parametrize("seed", _SEEDS)
def test_links_of_made_up_families_are_right_and_many(seed: int) -> None:
    found = _measured(seed)

    # A twin whose name was mistyped into the other's is nobody's to see.
    assert found.wrong <= _unseen_twins(seed)
    assert found.recall >= 0.85
    assert found.review <= 0.22
    assert found.f1 >= 0.99


@pytest.mark.parametrize("seed", _SEEDS)
def test_no_twins_merge_that_the_forms_can_tell_apart(seed: int) -> None:
    claims, roster, children = _town(seed)

    for claim, outcome in zip(claims, match_all(claims, roster), strict=True):
        if not isinstance(outcome, Linked):
            continue
        student = roster[outcome.candidate.student_key]
        if student.truth != claim.truth:
            assert claim.identity.given == student.identity.given
            assert children[claim.truth].truth.given != claim.identity.given


def _measured(seed: int) -> Measured:
    claims, roster, _ = _town(seed)
    return measure(claims, roster)


def _town(seed: int) -> tuple[list[Record], list[Record], dict[str, Child]]:
    roster, claims = split(seed, _FAMILIES)
    return (
        [Record(str(number), identity) for number, identity in claims],
        [Record(str(number), identity) for number, identity in roster],
        {str(child.number): child for child in make_children(seed, _FAMILIES)},
    )


def _unseen_twins(seed: int) -> int:
    claims, _, children = _town(seed)
    names = {
        (child.family, child.truth.given): child.number
        for child in children.values()
        if child.is_twin
    }
    return sum(
        names.get((children[claim.truth].family, claim.identity.given), int(claim.truth))
        != int(claim.truth)
        for claim in claims
        if children[claim.truth].is_twin
    )
