"""Matching on the synthetic set beside the repository, whose truth is known."""

from pathlib import Path

import pytest

from tests.house.tree import PROJECT
from tools.measure_matching import Record, measure, read_records, wrong_pairs

_SET = PROJECT.parent / "shared" / "data" / "linkage-synthetic"

pytestmark = pytest.mark.skipif(
    not _SET.exists(), reason="the linkage set is not beside the repository"
)


@pytest.mark.parametrize(
    ("claims", "roster"), [("hr5k_A.csv", "hr5k_B.csv"), ("hr5k_B.csv", "hr5k_A.csv")]
)
def test_links_are_right_and_the_queue_is_short(claims: str, roster: str) -> None:
    found = measure(_records(claims), _records(roster))

    assert found.wrong == 0
    assert found.recall >= 0.85
    assert found.review <= 0.22
    assert found.f1 >= 0.99


def test_every_adversarial_pair_has_the_outcome_it_must_have() -> None:
    assert wrong_pairs(_SET / "adversarial_names.csv") == []


def _records(name: str) -> list[Record]:
    return list(read_records(Path(_SET / name)))
