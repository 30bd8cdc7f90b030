"""What only the holder says of itself: whether FERPA covers it, its state's law, its notices.

It stands in a file that a steward keeps. What the file does not say is not known, and policies read
that as a no.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from homeroom.errors import RequestInvalidError
from homeroom.facts import Facts
from homeroom.vocabulary import Element

_ALL = "all"
_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


def _each_once(words: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(set(words)))


_Words = Annotated[tuple[_Word, ...], AfterValidator(_each_once)]
_Elements = Annotated[tuple[Element, ...], AfterValidator(_each_once)]
_Limit = Literal["all"] | _Words


class Notices(BaseModel):
    """What the holder told families and the public by notice.

    `directory_types` is left out where no public notice was given (34 CFR 99.37(a)). The two limits
    are `all` or a list; left out, nothing is open.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    school_official_criteria: _Words | None = None
    forwards_records_on_transfer: bool | None = None
    directory_types: _Elements | None = None
    directory_limited_to_parties: _Limit | None = None
    directory_limited_to_purposes: _Limit | None = None

    def told(self) -> Facts:
        """The notices as policies read them."""
        facts = self.model_dump(mode="json", exclude_none=True)
        for limit in ("directory_limited_to_parties", "directory_limited_to_purposes"):
            if limit in facts:
                only = facts[limit]
                facts[limit] = {"all": True} if only == _ALL else {"only": only}
        return facts


class HolderFacts(BaseModel):
    """The file of what a holder says of itself.

    `jurisdiction` is the state whose student-record law binds it, such as MA. `derived_from` says
    of its computed elements what they were computed from, where that is not the catalog's way.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    ferpa_covered: bool | None = None
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    notices: Notices | None = None
    derived_from: dict[Element, _Elements] | None = None

    @property
    def computed_from(self) -> Mapping[Element, tuple[Element, ...]]:
        """What the holder's own computed elements were computed from."""
        return self.derived_from or {}

    def told(self) -> Facts:
        """What the file says, as policies read it."""
        facts = self.model_dump(
            mode="json", exclude_none=True, include={"ferpa_covered", "jurisdiction"}
        )
        if self.notices is not None:
            facts["notices"] = self.notices.told()
        return facts

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "HolderFacts":
        """The facts that a file states.

        Raises:
            RequestInvalidError: naming the first field that is not exactly as it has to be.
        """
        try:
            # As JSON: there a yes is a yes, and no number or word that could mean one.
            return cls.model_validate_json(json.dumps(content, default=str))
        except ValidationError as wrong:
            problem = wrong.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, problem["loc"])) or "the file"
            raise RequestInvalidError(
                f"holder file: {place}: {problem['msg']}", field=place
            ) from None
