"""What a run of events found: what was measured, and what was not as it has to be."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Found:
    """Grows as a run goes on.

    Attributes:
        told: each measure by its name.
        wrong: a sentence for each thing that did not hold.
    """

    told: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def require(self, holds: bool, what: str) -> None:
        """Notes what does not hold."""
        if not holds:
            self.wrong.append(what)

    def add(self, name: str, part: "Found") -> None:
        """Adds what a part of the run found, under the part's name."""
        self.told |= {f"{name}_{what}": value for what, value in part.told.items()}
        self.wrong += [f"{name}: {one}" for one in part.wrong]

    def say(self) -> int:
        """Prints all of it; what the process ends with: 1 if anything is wrong."""
        print(f"RESULT {json.dumps(self.told)}")
        for one in self.wrong:
            print(f"WRONG {one}")
        return 1 if self.wrong else 0
