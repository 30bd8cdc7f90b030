"""The port to policy: facts in, a decision document out, and nothing but an error otherwise."""

import json
from collections.abc import Mapping
from typing import Any, Protocol, cast

from homeroom.errors import PolicyUnavailableError

DECISION_SECONDS = 0.25
"""How long a decision may take where a service is not told otherwise; a slower one is none."""


class PolicyEngine(Protocol):
    """Decides by the rules of one policy folder.

    Attributes:
        name: the evaluator and its version, for logs and receipts.
        revision: the digest of the rules it decides by.
    """

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    async def decide(self, entrypoint: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the document of an entrypoint, such as `homeroom/local/decision/document`.

        Raises:
            PolicyUnavailableError: whatever else happened: no document, an error, no time left.
        """
        ...

    async def close(self) -> None:
        """Ends the engine; it decides nothing more."""
        ...


def require_object(document: object) -> dict[str, Any]:
    """Returns a decoded document if it is a JSON object.

    Raises:
        PolicyUnavailableError: if it is anything else.
    """
    if not isinstance(document, dict):
        raise PolicyUnavailableError("the policy engine answered no document")
    return cast("dict[str, Any]", document)


def encode_facts(facts: Mapping[str, Any]) -> bytes:
    """Writes facts as JSON; what JSON cannot say is an error.

    Raises:
        PolicyUnavailableError: if a fact is no JSON value.
    """
    try:
        return json.dumps(dict(facts), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as unwritable:
        raise PolicyUnavailableError("the facts cannot be written as JSON") from unwritable
