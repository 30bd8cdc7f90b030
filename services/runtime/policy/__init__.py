"""Asks OPA, in this process or in a server beside it; no answer means no."""

from pathlib import Path
from typing import Literal

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy.asking import decide_by_each
from services.runtime.policy.bundle import PolicyBundle
from services.runtime.policy.embedded import OPA_VERSION, ROOM_FOR_GARBAGE, EmbeddedOpa
from services.runtime.policy.engine import DECISION_SECONDS, PolicyEngine
from services.runtime.policy.folder import PolicyFolder
from services.runtime.policy.process import find_opa, start_opa_server
from services.runtime.policy.publishing import Publication, publish, side_of, sign_also
from services.runtime.policy.release import (
    FEDERATION,
    PolicyTrust,
    Release,
    Replayed,
    SignedRelease,
)
from services.runtime.policy.running import RunningPolicy
from services.runtime.policy.server import OpaServer
from services.runtime.policy.tracing import RuleCited, Trace
from services.runtime.policy.watching import BundleShelf, MemoryShelf, PolicyState, WatchedPolicy

__all__ = [
    "DECISION_SECONDS",
    "FEDERATION",
    "OPA_VERSION",
    "ROOM_FOR_GARBAGE",
    "BundleShelf",
    "EmbeddedOpa",
    "EngineKind",
    "MemoryShelf",
    "OpaServer",
    "PolicyBundle",
    "PolicyEngine",
    "PolicyFolder",
    "PolicyState",
    "PolicyTrust",
    "Publication",
    "Release",
    "Replayed",
    "RuleCited",
    "RunningPolicy",
    "SignedRelease",
    "Trace",
    "WatchedPolicy",
    "decide_by_each",
    "find_opa",
    "open_engine",
    "open_rules",
    "publish",
    "side_of",
    "sign_also",
    "start_opa_server",
]

EngineKind = Literal["embedded", "server"]


async def open_engine(
    kind: EngineKind,
    policy_folder: Path,
    address: str = "",
    decision_seconds: float = DECISION_SECONDS,
) -> PolicyEngine:
    """Opens an engine that decides by the rules of one folder.

    Args:
        kind: `embedded` evaluates in this process; `server` asks the server at `address`.
        policy_folder: the rules; a server must hold the same.
        address: `unix:/path/to/socket` or `http://host:port`.
        decision_seconds: how long a decision may take; a slower one is none.

    Raises:
        PolicyUnavailableError: if the folder cannot be read or the engine does not run.
    """
    return await open_rules(kind, PolicyFolder.read(policy_folder), address, decision_seconds)


async def open_rules(
    kind: EngineKind,
    folder: PolicyFolder,
    address: str = "",
    decision_seconds: float = DECISION_SECONDS,
) -> PolicyEngine:
    """Opens an engine that decides by rules that are read already; see `open_engine`.

    Raises:
        PolicyUnavailableError: if the engine does not run.
    """
    if kind == "embedded":
        return await EmbeddedOpa.open(folder, decision_seconds)
    if kind == "server":
        return await OpaServer.open(folder, address, decision_seconds)
    raise PolicyUnavailableError("there is no such kind of policy engine")
