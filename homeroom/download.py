"""One question's answers as they come in; what broke off goes on where it was."""

import asyncio
from collections.abc import AsyncGenerator

from homeroom.asking import open_exchange
from homeroom.gathering import Checks, Finished, Gathering, KeeperOf
from homeroom.question import Question
from homeroom.session import Session


class Download:
    """The answers to one question, source by source."""

    def __init__(
        self, session: Session, question: Question, keeper_of: KeeperOf, *, keeps: bool = False
    ) -> None:
        """Asks nobody yet.

        Args:
            session: of the app that asks.
            question: what it asks.
            keeper_of: makes what keeps a source's rows.
            keeps: whether what came of a source that broke off is kept until `forget`.
        """
        self._session = session
        self._question = question
        self._keeper_of = keeper_of
        self._keeps = keeps
        self._gathering: Gathering | None = None

    @property
    def broken(self) -> tuple[str, ...]:
        """The holders whose answers broke off and may be gone on with."""
        return self._gathering.broken if self._gathering is not None else ()

    async def finished(self, timeout: float) -> AsyncGenerator[Finished, None]:
        """Each source as it finishes.

        Raises:
            HomeroomError: what the question was refused for, or why it could not be asked.
        """
        session = self._session
        # Asked for beside the question: a slow registry delays only the check, not the asking.
        known = asyncio.ensure_future(session.registry_view.state(session.seen.registry))
        try:
            exchange = await open_exchange(session, self._question, timeout)
            checks = Checks(session.registry_view, session.consent_log, session.receipts)
            gathering = Gathering(exchange, checks, self._keeper_of, keeps=self._keeps)
            self._gathering = gathering
            async for finished in gathering.finished(known):
                yield finished
        finally:
            known.cancel()
            await asyncio.gather(known, return_exceptions=True)

    async def resumed(self, timeout: float) -> AsyncGenerator[Finished, None]:
        """Each source that broke off, as it finishes or does not."""
        if self._gathering is not None:
            async for finished in self._gathering.resumed(timeout):
                yield finished

    def forget(self) -> None:
        """Lets go of what came of sources that broke off."""
        if self._gathering is not None:
            self._gathering.forget()
