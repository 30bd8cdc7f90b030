"""Decides in this process, by OPA's own evaluator.

The evaluator is a Go library. It releases the interpreter's lock while it works, cannot cancel a
query, and must not be loaded before a fork: it is imported when the first engine is opened.
"""

import asyncio
import contextlib
import functools
import queue
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Protocol

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy.engine import DECISION_SECONDS, encode_facts, require_object
from services.runtime.policy.folder import PolicyFolder

_ENTRYPOINT = re.compile(r"[a-z_]+(/[a-z_]+)+")

_TURN_DECISIONS = 8
"""A question waits for a free evaluator as long as this many decisions may take."""

OPA_VERSION = "1.20.2"
"""The version of OPA that the embedded evaluator is built from."""

ROOM_FOR_GARBAGE = {"GOGC": "400"}
"""Set where a process that evaluates policies is started: Go's runtime reads it but once, then.

The rules and constants of two policies take about 10 MB, and a decision leaves 300 kB behind. By
Go's own measure a tenth of them would meet a collection that takes longer than deciding; with this
one the heap grows to about 50 MB first.
"""


class _Evaluator(Protocol):
    """The part of `opa_bindings.OpaEngine` that is used here."""

    def eval_document(self, path: str, input: Any = None) -> Any: ...  # noqa: A002 - its own name

    def close(self) -> None: ...


class EmbeddedOpa:
    """Decides in threads of this process, each with an evaluator of its own."""

    name = f"embedded OPA {OPA_VERSION}"

    def __init__(
        self,
        revision: str,
        evaluators: list[_Evaluator],
        decision_seconds: float,
        facts_read: frozenset[str] | None = None,
    ) -> None:
        """Takes evaluators that are ready.

        Args:
            revision: the digest of their rules.
            evaluators: each is asked in one thread at a time.
            decision_seconds: how long a decision may take.
            facts_read: the facts that the rules name; None if they may read any.
        """
        self.revision = revision
        self._facts_read = facts_read
        self._decision_seconds = decision_seconds
        # Whichever decided last: what it works with is still in the processor's cache.
        self._idle: queue.LifoQueue[_Evaluator] = queue.LifoQueue()
        for evaluator in evaluators:
            self._idle.put(evaluator)
        # As many threads as evaluators, so that a thread always finds an idle one.
        self._threads = ThreadPoolExecutor(len(evaluators), thread_name_prefix="policy")
        self._places = asyncio.Semaphore(len(evaluators))
        self._closed = False

    @classmethod
    async def open(
        cls, folder: PolicyFolder, decision_seconds: float = DECISION_SECONDS, threads: int = 2
    ) -> "EmbeddedOpa":
        """Compiles the folder's rules, once for each thread, and tries each evaluator.

        Raises:
            PolicyUnavailableError: if the evaluator is not installed or refuses the rules.
        """
        evaluators = [await asyncio.to_thread(_compile, folder) for _ in range(threads)]
        return cls(folder.revision, evaluators, decision_seconds, folder.facts_read)

    async def decide(self, entrypoint: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        (document,) = await self.decide_in_turn([(self, entrypoint)], facts)
        return document

    @staticmethod
    async def decide_in_turn(
        asked: Sequence[tuple["EmbeddedOpa", str]], facts: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Asks several policies about the same facts, one after the other in one thread.

        To wake another thread takes longer than a small policy does.

        Raises:
            PolicyUnavailableError: if any of them gave no decision.
        """
        if any(opa._closed or not _ENTRYPOINT.fullmatch(entrypoint) for opa, entrypoint in asked):
            raise PolicyUnavailableError("the policy engine has no such entrypoint, or is closed")
        encode_facts(facts)
        seconds = sum(opa._decision_seconds for opa, _ in asked)
        async with AsyncExitStack() as places:
            try:
                # Waiting for a turn is not deciding: many questions at once are no slow policy.
                async with asyncio.timeout(_TURN_DECISIONS * seconds):
                    for opa, _ in asked:
                        await places.enter_async_context(opa._places)
            except TimeoutError as busy:
                raise PolicyUnavailableError("the policy engine is busy") from busy
            threads, given = asked[0][0]._threads, dict(facts)
            evaluating = functools.partial(_evaluate_each, asked, given)
            try:
                async with asyncio.timeout(seconds):
                    documents = await asyncio.get_running_loop().run_in_executor(
                        threads, evaluating
                    )
            except Exception as unexpected:
                raise PolicyUnavailableError("the policy engine gave no decision") from unexpected
        return [require_object(document) for document in documents]

    async def close(self) -> None:
        self._closed = True
        # A query cannot be cancelled; the thread that runs one closes its evaluator afterwards.
        self._threads.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _evaluate(self, path: str, facts: dict[str, Any]) -> Any:
        # The evaluator spends as long on reading all the facts as on an organization's own rules.
        if self._facts_read is not None:
            facts = {name: fact for name, fact in facts.items() if name in self._facts_read}
        evaluator = self._idle.get()
        try:
            return evaluator.eval_document(path, facts)
        finally:
            if self._closed:
                evaluator.close()
            else:
                self._idle.put(evaluator)


def _evaluate_each(asked: Sequence[tuple[EmbeddedOpa, str]], facts: dict[str, Any]) -> list[Any]:
    return [opa._evaluate(entrypoint.replace("/", "."), facts) for opa, entrypoint in asked]


def _compile(folder: PolicyFolder) -> _Evaluator:
    """Loads the rules and asks something: OPA compiles at the first evaluation."""
    try:
        from opa_bindings import OpaEngine  # noqa: PLC0415 - never before a fork

        engine = OpaEngine()
        for name, source in folder.modules.items():
            engine.add_policy(name, source)
        engine.add_data(folder.constants)
        engine.eval_query("true")
    except Exception as unexpected:
        raise PolicyUnavailableError(
            "the embedded policy engine cannot run these rules", folder=folder.path.name
        ) from unexpected
    return engine  # type: ignore[no-any-return]  # no type stubs are published for it
