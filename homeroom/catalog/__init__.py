"""The catalog: which datasets there are, their columns, and the element each column is.

A dataset is a named table; an element is what policies, agreements and consents speak of. A column
carries the number of its CEDS element (https://ceds.ed.gov, version 12). Whoever asks for an
element of a dataset gets its columns, and `subject_ref`, by which the requester alone knows the
student.
"""

from collections.abc import Mapping
from functools import cache

from homeroom.catalog.documents import DOCUMENTS
from homeroom.catalog.records import RECORDS
from homeroom.catalog.shape import (
    OBLIGATIONS,
    STATEMENT,
    SUBJECT_REF,
    TOLD_BESIDE,
    Column,
    Dataset,
    ValueKind,
)
from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import Element

__all__ = [
    "CATALOG",
    "COMPUTED_FROM",
    "OBLIGATIONS",
    "STATEMENT",
    "SUBJECT_REF",
    "TOLD_BESIDE",
    "Column",
    "Dataset",
    "ValueKind",
    "dataset_named",
]

CATALOG: tuple[Dataset, ...] = (*RECORDS, *DOCUMENTS)


def dataset_named(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        RequestInvalidError: if the catalog has none.
    """
    try:
        return _by_name()[name]
    except KeyError:
        raise RequestInvalidError("the catalog has no such dataset", field="dataset") from None


@cache
def _by_name() -> dict[str, Dataset]:
    return {dataset.name: dataset for dataset in CATALOG}


COMPUTED_FROM: Mapping[Element, frozenset[Element]] = {
    Element.EARLY_WARNING_FLAG: frozenset(
        {Element.DAILY_ATTENDANCE, Element.SUSPENSIONS, Element.COURSE_GRADES}
    )
}
"""What each computed element is computed from: the three indicators of early warning."""
