"""Says in words what agrees and what does not, for a reviewer; no value of either side."""

from collections.abc import Iterator

from services.node.domain.matching.comparison import Evidence, Field


def pattern_of(evidence: Evidence) -> Iterator[str]:
    """What agrees, differs or is missing: one word for each field that tells something."""
    yield evidence.given
    yield evidence.surname
    yield evidence.birth_date
    yield evidence.middle
    for name in ("sex", "phone", "address", "school", "local_id"):
        found: Field = getattr(evidence, name)
        if found is not Field.MISSING:
            yield f"{name}_{found}"
    if evidence.order_turned:
        yield "name_order_turned"
    if evidence.rare_name:
        yield "name_rare"
