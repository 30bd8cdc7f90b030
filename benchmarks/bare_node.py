"""The floor: nodes that send rows and do nothing else.

The same rows by the same join and in the same batches as a node sends them, as one Arrow stream
over gRPC: no TLS, no signature, no policy, no log, no seal, no gateway.
"""

import asyncio
import datetime as dt
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass

import grpc

from benchmarks.rows_from_memory import RowsFromMemory
from homeroom.catalog import dataset_named
from homeroom.checks import RowCondition
from homeroom.question import Period
from homeroom.vocabulary import Element
from services.node.domain.arrow_stream import ArrowStream
from services.node.domain.decision import Schools
from services.node.domain.selection import Selection
from services.node.store.answers import AnswerStore
from services.node.store.subject_refs import SubjectRefStore
from services.runtime.database import open_database

METHOD = "/homeroom.benchmarks.BareNode/Rows"
READY = "ready"


@dataclass(frozen=True, slots=True)
class BareNode:
    """Where one serves, and what it reads."""

    address: str
    records_url: str
    state_url: str


@dataclass(frozen=True, slots=True)
class BareQuestion:
    """What is asked of one, as JSON.

    Attributes:
        subject_refs: the students; None means everyone whom a consent covers.
        day: the only day to tell of; empty for all days.
        from_memory: whether to tell what was read the first time.
    """

    recipient: str
    agreement_id: str
    purpose: str
    subject_refs: Sequence[str] | None
    day: str = ""
    from_memory: bool = False

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def selection(self) -> Selection:
        """The selection that a node would make of the same question."""
        day = dt.date.fromisoformat(self.day) if self.day else None
        return Selection(
            dataset=dataset_named("attendance"),
            conditions={Element.DAILY_ATTENDANCE: frozenset({RowCondition.CONSENTED})},
            recipient=self.recipient,
            classes=frozenset(),
            agreement_id=self.agreement_id,
            purpose=self.purpose,
            schools=Schools(),
            subject_refs=None if self.subject_refs is None else tuple(self.subject_refs),
            period=None if day is None else Period(day, day),
            instant=dt.datetime.now(dt.UTC),
        )


class BareRows:
    """Tells the rows of one node's databases."""

    def __init__(self, node: BareNode) -> None:
        names = SubjectRefStore(open_database(node.state_url))
        self._stored = AnswerStore(node.records_url, node.state_url, names)
        self._kept = RowsFromMemory(node.records_url, node.state_url, names)

    async def tell(self, asked: bytes, context: object) -> AsyncIterator[bytes]:
        del context
        question = BareQuestion(**json.loads(asked))
        selection = question.selection()
        reader = await (self._kept if question.from_memory else self._stored).open(selection)
        stream = ArrowStream(selection.schema)
        while batches := await reader.next_batches():
            for batch in batches:
                yield bytes(stream.piece(batch))
        yield bytes(stream.end())
        await reader.close()

    async def seconds_of_reading(self, question: BareQuestion) -> float:
        """What a row takes of the processor until it is in Arrow."""
        began, rows = time.process_time(), 0
        reader = await self._stored.open(question.selection())
        while batches := await reader.next_batches():
            rows += sum(batch.num_rows for batch in batches)
        await reader.close()
        return (time.process_time() - began) / rows


async def serve(nodes: Sequence[BareNode]) -> None:
    """Serves until the process is ended."""
    servers = []
    for node in nodes:
        server = grpc.aio.server()
        told: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(
            BareRows(node).tell
        )
        service, method = METHOD.removeprefix("/").split("/")
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: told}),)
        )
        server.add_insecure_port(node.address)
        await server.start()
        servers.append(server)
    print(READY, flush=True)
    await asyncio.gather(*(server.wait_for_termination() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve([BareNode(**node) for node in json.loads(sys.argv[1])]))
