"""What somebody might build instead: the same rows by the same join, each as something of its own.

Over gRPC a message for each row; over HTTP all rows as JSON, straight from the driver or through
objects of SQLModel, as a web service of FastAPI answers. Like the floor they do nothing else.
"""

import asyncio
import datetime as dt
import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
from aiohttp import web
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from sqlmodel import SQLModel

from benchmarks.bare_node import READY, BareNode, BareQuestion
from homeroom.catalog import dataset_named
from services.node.domain.selection import Selection
from services.node.store.answers import AnswerStore
from services.node.store.subject_refs import SubjectRefStore
from services.runtime.database import open_database

METHOD = "/homeroom.benchmarks.PlainNode/Rows"
JSON, OBJECTS = "/json", "/objects"

_DATASET = dataset_named("attendance")
_COLUMNS = [field.name for field in _DATASET.schema_of(_DATASET.elements)]
_DOUBLE, _STRING = (
    descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    (descriptor_pb2.FieldDescriptorProto.TYPE_STRING),
)


class AttendanceRow(SQLModel):
    """One row, checked as such services check what they send."""

    subject_ref: str
    school_id: str | None = None
    event_date: dt.date
    category: str | None = None
    duration_days: float | None = None


def _row_message() -> type[Message]:
    """A message with a field for each column."""
    file = descriptor_pb2.FileDescriptorProto(
        name="homeroom/benchmarks/row.proto", package="homeroom.benchmarks", syntax="proto3"
    )
    row = file.message_type.add(name="Row")
    for number, name in enumerate(_COLUMNS, 1):
        row.field.add(
            name=name,
            number=number,
            type=_DOUBLE if name == "duration_days" else _STRING,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("homeroom.benchmarks.Row"))


Row = _row_message()


class PlainRows(AnswerStore):
    """Tells the rows of one node's databases as the driver gives them."""

    def told(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """Each row by the names of its columns; nothing where there is nothing."""
        statement, parameters = self._statements.rows(selection, limited=False)
        connection = self._databases.borrow()
        try:
            for row in connection.execute(statement, parameters):
                yield {
                    name: value
                    for name, value in zip(selection.schema.names, row, strict=True)
                    if value is not None
                }
        finally:
            self._databases.give_back(connection)


class PlainNode:
    """Answers in each of the ways."""

    def __init__(self, node: BareNode) -> None:
        names = SubjectRefStore(open_database(node.state_url))
        self._rows = PlainRows(node.records_url, node.state_url, names)

    async def messages(self, asked: bytes, context: object) -> AsyncIterator[Message]:
        del context
        for row in self._told(asked):
            yield Row(**row)

    async def json(self, request: web.Request) -> web.Response:
        return web.json_response(list(self._told(await request.read())))

    async def objects(self, request: web.Request) -> web.Response:
        rows = [AttendanceRow.model_validate(row) for row in self._told(await request.read())]
        return web.json_response([row.model_dump(mode="json") for row in rows])

    def _told(self, asked: bytes) -> Iterator[dict[str, Any]]:
        return self._rows.told(BareQuestion(**json.loads(asked)).selection())


async def serve(node: BareNode, http_address: str) -> None:
    """Serves until the process is ended: messages at the node's address, JSON at the other."""
    plain = PlainNode(node)
    server = grpc.aio.server()
    told: grpc.RpcMethodHandler[bytes, Message] = grpc.unary_stream_rpc_method_handler(
        plain.messages, response_serializer=Row.SerializeToString
    )
    service, method = METHOD.removeprefix("/").split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: told}),)
    )
    server.add_insecure_port(node.address)
    await server.start()
    app = web.Application()
    app.add_routes([web.post(JSON, plain.json), web.post(OBJECTS, plain.objects)])
    runner = web.AppRunner(app)
    await runner.setup()
    host, _, port = http_address.rpartition(":")
    await web.TCPSite(runner, host, int(port)).start()
    print(READY, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(BareNode(**json.loads(sys.argv[1])), sys.argv[2]))
