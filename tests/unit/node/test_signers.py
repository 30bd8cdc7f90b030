"""Whose signature counts where a court has ended a parent's rights: a name alike is no proof."""

import pytest

from services.node.domain.signers import SignerRights, rights_of

FULL, REVOKED, UNCLEAR = SignerRights.FULL, SignerRights.REVOKED, SignerRights.UNCLEAR


@pytest.mark.parametrize("signer", ["", "Rob Smith", "José Núñez"])
def test_without_an_order_every_signer_has_full_rights(signer: str) -> None:
    """Either parent may sign (34 CFR 99.4)."""
    assert rights_of(signer, (), ()) is FULL


@pytest.mark.parametrize(
    "signer",
    ["Robert Smith", "SMITH, Robert", "robert  smith", "Robert J. Smith", "Róbert Smith", "Smith"],
)
def test_the_person_whom_the_order_names_does_not_sign(signer: str) -> None:
    """Whatever the case, the accents, the order, and names left out or added."""
    assert rights_of(signer, ["Robert Smith"], ()) is REVOKED


@pytest.mark.parametrize("signer", ["", "Bob Smith", "Maria Smith", "Robert Lopez"])
def test_a_signer_who_may_be_that_person_is_not_taken_for_another(signer: str) -> None:
    assert rights_of(signer, ["Robert Smith"], ()) is UNCLEAR


def test_a_signer_with_no_word_of_the_name_is_another() -> None:
    assert rights_of("Maria Lopez", ["Robert Smith"], ()) is FULL


def test_a_signer_whom_the_staff_knows_is_entitled_in_spite_of_the_name() -> None:
    assert rights_of("Maria Smith", ["Robert Smith"], ["maria smith"]) is FULL
    assert rights_of("Bob Smith", ["Robert Smith"], ["Maria Smith"]) is UNCLEAR


def test_an_entitlement_never_helps_the_person_whom_an_order_names() -> None:
    assert rights_of("Robert Smith", ["Robert Smith"], ["Robert Smith"]) is REVOKED


def test_each_of_several_orders_counts() -> None:
    orders = ["Robert Smith", "Ann Kowalska"]

    assert rights_of("Anna Kowalska", orders, ()) is UNCLEAR
    assert rights_of("Ann Kowalska", orders, ()) is REVOKED
