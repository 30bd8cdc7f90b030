"""What a node is kept busy with: questions, families who revoke and allow anew, and imports."""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import grpc
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from homeroom import AsyncClient
from homeroom.errors import HomeroomError, InternalError, StateStaleError
from tools.soak.premises import ASKER, STUDENTS, Asker, Premises, bring
from tools.soak.promises import Promises

_AT_ONCE = 6
_PAUSE_SECONDS = 0.05
_HUB_SECONDS = 60.0

Promise: TypeAlias = Callable[[Promises], None]
"""Notes one promise among the others."""


@dataclass
class Work:
    """Keeps a node busy; `promised` is told each promise in the moment it is received.

    Attributes:
        version: of the records that are imported, or being imported.
        wrong: what came that may not come, such as rows after a revocation.
        answers: how many answers came whole.
        broken_off: how many did not.
    """

    at: Premises
    promised: Callable[[Promise], None]
    chance: random.Random
    version: int = 0
    wrong: list[str] = field(default_factory=list)
    answers: int = 0
    broken_off: int = 0
    _ending: bool = False

    async def allow_all(self) -> int:
        """Every family allows that does not yet; returns the consent service's sequence then."""
        silent = [one for one in range(STUDENTS) if one not in self.at.families.consents]
        async with AsyncClient(self.at.layout.profile(ASKER)) as families:
            async for attempt in _while_the_hub_begins():
                with attempt:
                    return await self._allow(families, silent) if silent else 0
        raise InternalError("nobody could allow anything")

    async def go_on(self, questions: Iterable[int]) -> None:
        """Asks until there are no more questions; meanwhile families revoke and allow anew."""
        asker = Asker(self.at)
        try:
            async with AsyncClient(self.at.layout.profile(ASKER)) as families:
                revoking = asyncio.ensure_future(self._revoke_on(asker, families))
                left = iter(questions)
                try:
                    await asyncio.gather(*(self._ask_on(asker, left) for _ in range(_AT_ONCE)))
                finally:
                    # Not cancelled: what the consent service took must be known here.
                    self._ending = True
                    await revoking
                    self._ending = False
        finally:
            await asker.close()

    async def import_once(self) -> None:
        """Imports the next version of the records."""
        self.version += 1
        await asyncio.to_thread(bring, self.at.layout, self.version)
        self.imported(self.version)

    def imported(self, version: int) -> None:
        """An import has returned."""
        self.promised(lambda promises: setattr(promises, "version", version))

    async def ask(self, asker: Asker, refs: Iterable[str] | None, sequence: int = 0) -> int:
        """Asks one question; returns how many students the answer tells of."""
        told = 0
        async for got in asker.ask(refs, sequence):
            seen = replace(got)
            self.promised(lambda promises, seen=seen: promises.take(seen))  # type: ignore[misc]
            told = len(got.refs)
            self.answers += got.receipt is not None
        return told

    async def _ask_on(self, asker: Asker, left: Iterator[int]) -> None:
        for _ in left:
            student = self.chance.randrange(STUDENTS)
            try:
                await self.ask(asker, self.chance.choice((None, self.at.families.refs[student])))
            except (grpc.aio.AioRpcError, HomeroomError):
                self.broken_off += 1
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _revoke_on(self, asker: Asker, families: AsyncClient) -> None:
        while not self._ending:
            student = self.chance.randrange(STUDENTS)
            consent_id = self.at.families.consents[student]
            sequence = await families.consents.revoke(consent_id)
            self._revoked(consent_id, sequence)
            try:
                if await self.ask(asker, self.at.families.refs[student], sequence):
                    self.wrong.append("a record left after its consent was revoked")
            except (grpc.aio.AioRpcError, HomeroomError):
                await asyncio.sleep(_PAUSE_SECONDS)
            await self._allow(families, [student])

    async def _allow(self, families: AsyncClient, students: Iterable[int]) -> int:
        chosen, newest = list(students), 0
        forms = [self.at.form(student) for student in chosen]
        for student, one in zip(chosen, await families.consents.record_many(forms), strict=True):
            self.at.families.refs.setdefault(student, []).append(one.subject_ref)
            self.at.families.consents[student], newest = one.consent_id, one.sequence
        return newest

    def _revoked(self, consent_id: str, sequence: int) -> None:
        self.promised(lambda promises: promises.revoked.update({consent_id: sequence}))


def _while_the_hub_begins() -> AsyncRetrying:
    """Tries again while the consent service has not heard from the registry yet."""
    return AsyncRetrying(
        retry=retry_if_exception_type(StateStaleError),
        wait=wait_fixed(_PAUSE_SECONDS),
        stop=stop_after_delay(_HUB_SECONDS),
        reraise=True,
    )
