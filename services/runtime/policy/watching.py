"""Takes up a policy's new bundle while the old one decides: verified, tried, then swapped in.

Whatever is wrong with a new bundle, the old one goes on deciding, and the status says why. The
bundle that was taken last is kept, so that a node that starts on a damaged file goes on with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from homeroom.clock import Clock
from homeroom.errors import (
    EvidenceInvalidError,
    HomeroomError,
    LogUnavailableError,
    NotPermittedError,
)
from services.runtime.logs import log
from services.runtime.policy.bundle import PolicyBundle
from services.runtime.policy.engine import PolicyEngine
from services.runtime.policy.folder import PolicyFolder
from services.runtime.policy.release import PolicyTrust, Release, require_current
from services.runtime.policy.running import RunningPolicy

OpenEngine: TypeAlias = Callable[[PolicyFolder], Awaitable[PolicyEngine]]

LOOK_SECONDS = 1.0
"""How often a bundle's file is looked at."""


class BundleShelf(Protocol):
    """Keeps the bundle that was taken last, so that none older is taken afterwards."""

    def taken(self, scope: str) -> tuple[int, bytes] | None:
        """Its sequence and its bytes; None if none was ever taken."""
        ...

    def take(self, scope: str, sequence: int, packed: bytes) -> None:
        """Keeps another one in its place."""
        ...


class Trial(Protocol):
    """Tries a candidate on what was asked before."""

    async def widens(self, candidate: PolicyEngine) -> bool:
        """Whether it would have answered any question with more than the policy that decides."""
        ...


class NoTrial:
    """Where nothing that was asked is kept; implements `Trial`."""

    async def widens(self, candidate: PolicyEngine) -> bool:
        del candidate
        return False


class MemoryShelf:
    """Remembers for as long as the process runs; implements `BundleShelf`."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[int, bytes]] = {}

    def taken(self, scope: str) -> tuple[int, bytes] | None:
        return self._taken.get(scope)

    def take(self, scope: str, sequence: int, packed: bytes) -> None:
        self._taken[scope] = (sequence, packed)


@dataclass(frozen=True, slots=True)
class PolicyState:
    """What runs, as a status tells it.

    Attributes:
        release: None where a folder decides, which is for development.
        problem: why the file that is there now was not taken; empty if it was.
    """

    revision: str
    release: Release | None
    problem: str


class WatchedPolicy:
    """One policy and the file that it comes from.

    Attributes:
        running: what decides.
        trial: what a candidate is tried on before it decides.
    """

    def __init__(
        self,
        path: Path,
        trust: PolicyTrust,
        open_engine: OpenEngine,
        shelf: BundleShelf,
        clock: Clock,
    ) -> None:
        self._path = path
        self._trust = trust
        self._open_engine = open_engine
        self._shelf = shelf
        self._clock = clock
        self._looked_at: tuple[int, ...] = ()
        self._problem = ""
        self._running: RunningPolicy | None = None
        self.trial: Trial = NoTrial()
        self.on_change: Callable[[], None] = lambda: None
        self._on_refusal: Callable[[str, str], None] = lambda _scope, _why: None

    @property
    def running(self) -> RunningPolicy:
        """What decides, once it has begun."""
        if self._running is None:
            raise NotPermittedError("no policy decides yet")
        return self._running

    @property
    def state(self) -> PolicyState:
        return PolicyState(self.running.revision, self.running.release, self._problem)

    def tell_refusals(self, noted: Callable[[str, str], None]) -> None:
        """Has it noted why a file is not taken; also of the one that is there now."""
        self._on_refusal = noted
        if self._problem:
            noted(self._trust.scope, self._problem)

    async def begin(self) -> None:
        """Lets the folder decide, or the bundle: the file's, or the one that was taken last.

        Raises:
            PolicyUnavailableError: if the folder or the rules cannot be used.
            EvidenceInvalidError: if there is no bundle that can be taken.
            NotPermittedError: if it may release more, and nobody approved that.
        """
        if self._path.is_dir():
            engine = await self._open_engine(PolicyFolder.read(self._path))
            self._running = RunningPolicy(engine, None, self._clock)
            return
        with suppress(EvidenceInvalidError):
            # A kept bundle that no longer checks, for the key is another, decides nothing.
            if kept := self._kept():
                engine = await self._open_engine(kept.rules)
                self._running = RunningPolicy(engine, kept.release, self._clock)
        if self._running is None:
            await self._take(self._looked())
        else:
            await self.look()

    async def watch(self) -> None:
        """Looks at the file for as long as the service runs."""
        while not self._path.is_dir():
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Takes the file's bundle up if it is another; what is wrong with it is noted."""
        stamp = self._stamp()
        if stamp == self._looked_at:
            return
        self._looked_at = stamp
        try:
            await self._take(self._looked())
            self._problem = ""
        except HomeroomError as refused:
            if isinstance(refused, LogUnavailableError):
                # No fault of the file: a full disk, or a database that is away for a moment.
                self._looked_at = ()
            self._problem = refused.message
            self._on_refusal(self._trust.scope, refused.message)
            log.error("a policy was not taken", state=self._trust.scope, reason=refused.message)

    async def _take(self, bundle: PolicyBundle) -> None:
        """Lets a bundle decide.

        Raises:
            HomeroomError: if it must not, or cannot.
        """
        release = bundle.release
        self._trust.require_signed(bundle.signed)
        require_current(release, self._clock)
        taken = await asyncio.to_thread(self._shelf.taken, self._trust.scope)
        packed = bundle.pack()
        if taken is not None and release.sequence <= taken[0]:
            if packed == taken[1] and self._running is not None:
                return
            raise EvidenceInvalidError(
                "a policy of this sequence or a later one was taken before",
                sequence=str(release.sequence),
            )
        engine = await self._open_engine(bundle.rules)
        try:
            await self._require_approval(bundle, engine)
            await asyncio.to_thread(self._shelf.take, self._trust.scope, release.sequence, packed)
        except BaseException:
            await engine.close()
            raise
        await self._swap(engine, release)

    async def _swap(self, engine: PolicyEngine, release: Release) -> None:
        log.info("a policy decides", state=self._trust.scope, sequence=release.sequence)
        if self._running is None:
            self._running = RunningPolicy(engine, release, self._clock)
            return
        draining = self._running.swap(engine, release)
        self.on_change()
        await draining

    async def _require_approval(self, bundle: PolicyBundle, engine: PolicyEngine) -> None:
        """Lets a policy that may release more pass only with the second signature.

        Raises:
            NotPermittedError: if it has none.
        """
        if self._trust.alone or self._trust.is_approved(bundle.signed):
            return
        if not bundle.release.shown_to_narrow:
            raise NotPermittedError("the policy is not shown to release no more; a second signs it")
        # What the statement says of a trial is its signer's word; here it is tried again.
        if self._running is not None and await self.trial.widens(engine):
            raise NotPermittedError("the policy would have released more; a second signs it")

    def _kept(self) -> PolicyBundle | None:
        taken = self._shelf.taken(self._trust.scope)
        if taken is None:
            return None
        bundle = PolicyBundle.unpack(taken[1], self._path)
        self._trust.require_signed(bundle.signed)
        return bundle

    def _looked(self) -> PolicyBundle:
        return PolicyBundle.read(self._path)

    def _stamp(self) -> tuple[int, ...]:
        try:
            seen = self._path.stat()
        except OSError:
            return (0,)
        return (seen.st_mtime_ns, seen.st_size, seen.st_ino)
