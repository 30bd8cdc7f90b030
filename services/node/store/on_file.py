"""Reads what is on file for a question: matters and approvals."""

import asyncio

from services.node.domain.on_file import Looked, OnFile
from services.node.store.approvals import ApprovalStore
from services.node.store.database import available
from services.node.store.matters import MatterStore


class FileStore:
    """The holder's file; implements `Files`.

    An approval counts if the holder signed it with this key.
    """

    def __init__(
        self, matters: MatterStore, approvals: ApprovalStore, holder: str, signing_key: bytes
    ) -> None:
        self._matters = matters
        self._approvals = approvals
        self._holder = holder
        self._signing_key = signing_key

    async def find(self, looked: Looked) -> OnFile:
        return await asyncio.to_thread(self._find, looked)

    @available()
    def _find(self, looked: Looked) -> OnFile:
        approvals = self._approvals.find(looked, self._holder, self._signing_key)
        return OnFile(self._matters.find(looked), approvals)
