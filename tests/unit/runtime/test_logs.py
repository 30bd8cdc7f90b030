"""Logs: declared fields only, one JSON object a line, and no text of a library."""

import json
import subprocess
import sys
from typing import Any

from services.runtime.logs import ALLOWED_FIELDS, keep_declared_fields

PROGRAM = """
import logging
from services.runtime.logs import configure_logs, log
configure_logs("node", "anytown")
log.info("call refused", reason="STATE_STALE", student="Zebulonia", link_code="77")
log.debug("not at this level")
logging.getLogger("sqlalchemy").warning("Zebulonia did something")
logging.warning("Zebulonia again")
"""

SPILLING = """
import threading, warnings
from homeroom.api.node.v1 import node_service_pb2
from services.runtime.logs import configure_logs, log
configure_logs("node", "anytown")
class Held:
    def __repr__(self):
        return "Zebulonia"
    def __del__(self):
        raise RuntimeError("Zebulonia")
request = node_service_pb2.AnswerRequest(user_token="Zebulonia")
request.query.statement = b"Zebulonia"
log.info("asked", state=request, reason=Held(), count=[Held()])
warnings.warn("Zebulonia")
def fail():
    raise KeyError("Zebulonia")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_a_field_that_is_not_declared_is_dropped_and_counted() -> None:
    event: dict[str, Any] = {"event": "told", "reason": "x", "name": "Zebulonia", "ref": "r"}

    assert keep_declared_fields(None, "info", event) == {
        "event": "told",
        "reason": "x",
        "dropped_fields": 2,
    }
    assert keep_declared_fields(None, "info", {"event": "told"}) == {"event": "told"}


def test_no_declared_field_can_name_a_student() -> None:
    """A new field is a decision: this test names those that may never be one."""
    students = {"student", "student_id", "subject_ref", "name", "link_code", "birth_date", "user"}

    assert not students & ALLOWED_FIELDS


def test_a_process_writes_only_its_own_lines_and_only_declared_fields() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    (line,) = done.stderr.splitlines()
    event = json.loads(line)

    assert done.stdout == ""
    assert "Zebulonia" not in done.stderr
    assert (event["event"], event["reason"], event["level"]) == (
        "call refused",
        "STATE_STALE",
        "info",
    )
    assert (event["service"], event["organization"]) == ("node", "anytown")
    assert event["dropped_fields"] == 2
    assert event["timestamp"].endswith("Z")


def test_neither_messages_nor_objects_nor_errors_that_nobody_caught_tell_a_value() -> None:
    """Whatever is put into a line, and whatever breaks beside it, a name does not come out."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", SPILLING],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]

    assert done.returncode == 1
    assert "Zebulonia" not in done.stderr + done.stdout
    asked = next(event for event in events if event["event"] == "asked")
    assert asked["state"] == {"query": {"statement": "(redacted)"}, "user_token": "(redacted)"}
    assert (asked["reason"], asked["count"]) == ("Held", "list")
    caught = [event["error_type"] for event in events if event["event"] == "nobody caught an error"]
    assert caught.count("KeyError") == 2
    assert "RuntimeError" in caught
