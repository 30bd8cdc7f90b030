"""Says which rules of a policy held on an input, and by which law: for people who ask why."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy.folder import PolicyFolder
from services.runtime.policy.parsing import Annotation, LibraryParser, RegoModule

_RULE = re.compile(r"(?!__local)[a-z_]\w*(\[[^\]]*\])? (contains\b|:=|=|if\b)")


@dataclass(frozen=True, slots=True, order=True)
class RuleCited:
    """A rule that held.

    Attributes:
        title: what METADATA calls it, or its file; citation: the law that it names.
    """

    file: str
    line: int
    title: str
    citation: str


@dataclass(frozen=True, slots=True)
class Fired:
    """One time that a rule held.

    Attributes:
        text: the rule as it was compiled.
        known: what its variables were.
    """

    file: str
    line: int
    text: str
    known: Mapping[str, Any]


class Trace:
    """What held on one input, in one policy."""

    def __init__(self, folder: PolicyFolder, fired: list[Fired]) -> None:
        self._folder = folder
        self._fired = fired
        self._parser = LibraryParser()
        self._modules: dict[str, RegoModule] = {}

    @classmethod
    def of(cls, folder: PolicyFolder, entrypoint: str, facts: Mapping[str, Any]) -> "Trace":
        """Evaluates an entrypoint and notes every rule that held.

        Raises:
            PolicyUnavailableError: if the embedded evaluator is not here or refuses the rules.
        """
        try:
            from opa_bindings import OpaEngine  # noqa: PLC0415 - it may not be installed

            with OpaEngine() as engine:
                for name, source in folder.modules.items():
                    engine.add_policy(name, source)
                engine.add_data(folder.constants)
                engine.eval_document(entrypoint.replace("/", "."), dict(facts), trace=True)
                events = engine.last_trace or []
        except Exception as unexpected:
            raise PolicyUnavailableError(
                "the embedded evaluator cannot explain these rules", folder=folder.path.name
            ) from unexpected
        return cls(folder, list(_fired(events)))

    def cited(self, word: str, element: str | None = None) -> list[RuleCited]:
        """The rules that put a word, for an element if one is named: its law, not its bookkeeping.

        A rule that has the word written in it comes before one that took it from a constant.
        """
        about = [one for one in self._fired if element in (None, one.known.get("element", element))]
        written = [one for one in about if f'"{word}"' in one.text]
        taken = [one for one in about if word in one.known.values()]
        # What only collects is no reason where a rule with a law of its own is.
        lawful = [one for one in written or taken if self._has_own_law(one)]
        return sorted({self._cite(one) for one in lawful or written or taken})

    def named(self, name: str, element: str) -> list[RuleCited]:
        """The rules of a name that held for an element."""
        held = [one for one in self._fired if re.match(rf"{name}\b", one.text)]
        return sorted({self._cite(one) for one in held if one.known.get("element") == element})

    def _has_own_law(self, fired: Fired) -> bool:
        module = self._module(fired.file)
        rule = module.annotation_at(fired.line) if module else None
        return rule is not None and bool(rule.citation)

    def _cite(self, fired: Fired) -> RuleCited:
        module = self._module(fired.file)
        rule = module.annotation_at(fired.line) if module else None
        package = module.annotation_of_package() if module else None
        found = [one for one in (rule, package) if one is not None]
        title = next((str(t) for one in found if (t := one.content.get("title"))), fired.file)
        return RuleCited(fired.file, fired.line, title, _citation(found))

    def _module(self, file: str) -> RegoModule | None:
        if file not in self._modules:
            read = RegoModule.read(file, self._folder.modules[file], self._parser)
            if isinstance(read, RegoModule):
                self._modules[file] = read
        return self._modules.get(file)


def _citation(found: list[Annotation]) -> str:
    return next((one.citation for one in found if one.citation), "")


def _fired(events: list[Mapping[str, Any]]) -> Iterator[Fired]:
    for event in events:
        text, place = str(event.get("node", "")), str(event.get("location", ""))
        file, _, line = place.rpartition(":")
        if event.get("op") == "Exit" and file and line.isdigit() and _RULE.match(text):
            yield Fired(file, int(line), text, event.get("locals") or {})
