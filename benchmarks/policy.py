"""What one decision costs: the federation's policy and a local one, on facts of real size, met.

`p50_ms` and the others are of a usual question; those that begin with `all_` are of one that asks
for every element there is.
"""

import asyncio
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from services.node.policy import NodePolicies, decided
from services.runtime.policy import (
    ROOM_FOR_GARBAGE,
    PolicyEngine,
    find_opa,
    open_engine,
    start_opa_server,
)

_POLICY = Path(__file__).resolve().parent.parent / "policy"
_AMPLE_SECONDS = 5.0
_WARM_UP = 50
_ROUNDS = 5

_WANTED = [
    *("attendance_rate", "course_enrollment", "course_grades", "daily_attendance", "date_of_birth"),
    *("dates_of_attendance", "el_status", "email", "emergency_contacts", "enrollment_status"),
    *("expulsions", "gender", "gpa", "grade_level", "graduation_status", "health_immunization"),
    *("honors_awards", "iep", "name", "phone", "program_attendance", "program_participation"),
    *("race_ethnicity", "school_of_enrollment", "sped_status", "student_number", "suspensions"),
    *("test_scores", "transcript", "ssn"),
]
_PURPOSES = [
    *("audit_evaluation_of_programs", "care_coordination", "college_advising", "direct_service"),
    *("early_warning", "enrollment_transfer", "family_engagement", "program_evaluation"),
    *("program_improvement", "research", "school_meals", "transportation"),
]
_SCHOOLS = ["elm_k8", "hill_middle", "lake_primary", "oak_primary", "river_high", "south_high"]


_PARTIES = ["harbor_ps", "neighborhood_initiative", "shelter_network", "youth_center"]

QUESTION: dict[str, Any] = {
    "schema": 1,
    "now": "2026-03-10T14:00:00Z",
    "query": {
        "requester": "neighborhood_initiative",
        "purpose": "direct_service",
        "basis": "consent",
        "dataset": "students",
        "elements": _WANTED,
        "level": "student",
        "schools": _SCHOOLS,
        "named_students": 40,
        "onward_to": [],
    },
    "requester": {
        "organization_id": "neighborhood_initiative",
        "kind": "community_org",
        "standing": "active",
    },
    "user": {
        "authenticated": True,
        "role": "case_manager",
        "training_valid_to": "2026-12-31",
        "capacity": "own",
        "reach": "organization",
    },
    "holder": {
        "organization_id": "harbor_ps",
        "kind": "district",
        "dataset_elements": [element for element in _WANTED if element != "ssn"],
        "max_state_age_seconds": 30,
    },
    "agreement": {
        "id": "DSA-M1",
        "version": 3,
        "kind": "consented_sharing",
        "state": "active",
        "parties": _PARTIES,
        "signed_by": _PARTIES,
        "disclosers": ["harbor_ps", "shelter_network"],
        "recipients": ["harbor_ps", "neighborhood_initiative", "youth_center"],
        "purposes": _PURPOSES,
        "legal_basis": ["consent", "studies"],
        "elements": [element for element in _WANTED if element != "health_immunization"],
        "level": "student",
        "schools": {"only": _SCHOOLS},
        "authorized_roles": ["case_manager", "director"],
        "redisclosure_to": [],
        "terms": ["destruction_deadline", "safeguard_policies"],
        "effective_from": "2025-08-01",
        "effective_to": "2026-07-31",
    },
    "state": {
        "registry_sequence": 41,
        "registry_confirmed_at": "2026-03-10T13:59:56Z",
        "consent_sequence": 97,
        "consent_confirmed_at": "2026-03-10T13:59:58Z",
    },
}
"""The facts of a question by consent: 30 elements, 6 schools, an agreement of 12 purposes."""

_FEW = [
    *("attendance_rate", "daily_attendance", "enrollment_status", "grade_level", "name"),
    *("school_of_enrollment", "student_number", "suspensions"),
]
USUAL: dict[str, Any] = QUESTION | {"query": QUESTION["query"] | {"elements": _FEW}}
"""The same of 8 elements, as a case manager asks who looks after some students."""


def run(decisions: int = 1000) -> dict[str, Any]:
    """Each engine at hand in turn; RESULT is of the embedded one.

    In a process of its own, which is started as a service is.
    """
    os.environ.update({**ROOM_FOR_GARBAGE, **os.environ})
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as started:
        return started.submit(_measured, decisions).result()


def _measured(decisions: int) -> dict[str, Any]:
    return asyncio.run(_measure(decisions))


async def _measure(decisions: int) -> dict[str, Any]:
    opa = find_opa(os.environ)
    async with _embedded() as policies:
        embedded = await _costs(policies, decisions, time.process_time)
    if opa is None:
        print("there is no opa binary here, and so no server to ask")
        return embedded
    async with _servers(opa) as (policies, cpu_seconds):
        await _costs(policies, decisions, cpu_seconds)
    return embedded


@asynccontextmanager
async def _embedded() -> AsyncIterator[NodePolicies]:
    federation, local = [
        await open_engine("embedded", _POLICY / name, decision_seconds=_AMPLE_SECONDS)
        for name in ("federation", "local")
    ]
    policies = NodePolicies(federation, local)
    yield policies
    await policies.close()


@asynccontextmanager
async def _servers(opa: Path) -> AsyncIterator[tuple[NodePolicies, Callable[[], float]]]:
    """Two servers, one for each policy, and the CPU seconds of them and of this process."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="homeroom-")))
        engines: dict[str, PolicyEngine] = {}
        started: list[subprocess.Popen[bytes]] = []
        for name in ("federation", "local"):
            server = start_opa_server(_POLICY / name, folder / f"{name}.sock", opa)
            started.append(server)
            stack.callback(server.wait)
            stack.callback(server.terminate)
            address = f"unix:{folder / name}.sock"
            engines[name] = await open_engine("server", _POLICY / name, address, _AMPLE_SECONDS)
        policies = NodePolicies(engines["federation"], engines["local"])
        stack.push_async_callback(policies.close)
        yield policies, lambda: time.process_time() + sum(_cpu_of(s.pid) for s in started)


def _cpu_of(pid: int) -> float:
    """The CPU seconds that a process has used, in user mode and in the kernel's."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


async def _costs(
    policies: NodePolicies, decisions: int, cpu_seconds: Callable[[], float]
) -> dict[str, Any]:
    usual = await _cost(policies, USUAL, decisions, cpu_seconds)
    large = await _cost(policies, QUESTION, decisions, cpu_seconds)
    cost = {
        **usual,
        **{f"all_{name}": value for name, value in large.items()},
        "cached_us": round(await _remembered_seconds(policies, decisions) * 1_000_000),
        "engine": policies.federation.name,
    }
    print(cost)
    return cost


async def _cost(
    policies: NodePolicies,
    question: dict[str, Any],
    decisions: int,
    cpu_seconds: Callable[[], float],
) -> dict[str, Any]:
    """Asks again and again. On a busy machine the round that used least CPU says most."""
    walls: list[float] = []
    per_decision: list[float] = []
    with policies.federation.held() as federation, policies.local.held() as local:
        for turn in range(_ROUNDS + 1):
            began_cpu, times = cpu_seconds(), []
            for _ in range(decisions // _ROUNDS if turn else _WARM_UP):
                began = time.perf_counter()
                decision = await decided(federation, local, question)
                times.append(time.perf_counter() - began)
            assert decision.allow
            if turn:
                per_decision.append((cpu_seconds() - began_cpu) / len(times))
                walls += times
    return {
        "p50_ms": round(statistics.median(walls) * 1000, 2),
        "p99_ms": round(sorted(walls)[int(len(walls) * 0.99) - 1] * 1000, 2),
        "least_ms": round(min(walls) * 1000, 2),
        "per_core_s": round(1 / statistics.median(per_decision)),
    }


async def _remembered_seconds(policies: NodePolicies, decisions: int) -> float:
    """What the node's next asking costs while it remembers: the median of rounds."""
    await policies.decide(QUESTION)
    rounds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(decisions):
            await policies.decide(QUESTION)
        rounds.append((time.perf_counter() - began) / decisions)
    return statistics.median(rounds)
