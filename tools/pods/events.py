"""The course of events in pods, and what must come of each."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.ground import AGREEMENT_ID, PURPOSE, agreement_text, bring_records, signed_form
from deploy.local.founding import register_all, sign_agreement, trained_user, write_user_tokens
from homeroom import Answer, AsyncClient, Client, Outcome
from homeroom.errors import HomeroomError, NotPermittedError
from homeroom.profile import load_profile
from services.node.policy.remembering import LONGEST
from tools.found import Found
from tools.pods.federation import ASKER, GATEWAYS, HOLDERS, Federation

_STUDENTS, _DAYS = 20, 20
_SMALL = 50
_AT_ONCE = 4
_DEADLINE_SECONDS = 3.0
_OVERRUN_SECONDS = 0.05
_PATIENCE_SECONDS = 120.0
_REMEMBERED_SECONDS = LONGEST.total_seconds() + 1
_AWAY = {Outcome.TIMED_OUT, Outcome.UNREACHABLE}
_BROKEN = HOLDERS[0]
_POD = f"{_BROKEN}-node-0"


def course(made: Federation) -> Found:
    """Records are imported, families consent, an app asks; then one thing after another breaks."""
    found = Found()
    _begin(made)
    asyncio.run(_course(made, found))
    return found


def _begin(made: Federation) -> None:
    layout = made.layout
    asyncio.run(register_all(layout))
    asyncio.run(sign_agreement(layout, agreement_text(HOLDERS, [ASKER])))
    write_user_tokens(layout, [trained_user(ASKER, "ana", "case_manager")])
    codes = [
        (name, code)
        for name in HOLDERS
        for code in bring_records(
            made.inside.shared / f"{name}-records", (made.database(name),) * 2, _STUDENTS, _DAYS
        )
    ]
    with Client(layout.profile(ASKER)) as client:
        list(client.consents.record_many(signed_form(name, code) for name, code in codes))


async def _course(made: Federation, found: Found) -> None:
    async with AsyncClient(load_profile(made.layout.profile(ASKER))) as client:
        asking = _Asking(client)
        found.told["first_whole_s"] = round(await asking.until_whole(), 1)
        await _permitted(asking, found)
        await _denied(asking, found)
        for what, breaks, heals, outcomes in _breakages(made):
            await _broken(asking, found, what, (breaks, heals), outcomes)
        await _restarted(made, asking, found)


@dataclass(frozen=True, slots=True)
class _Asking:
    client: AsyncClient

    async def ask(self, purpose: str = PURPOSE, seconds: float = _DEADLINE_SECONDS) -> Answer:
        """What both organizations say of everyone."""
        return await self.client.query(
            AGREEMENT_ID, purpose, "attendance", ["daily_attendance"], timeout=seconds
        )

    async def until_whole(self) -> float:
        """Asks again and again; the seconds until the answer is whole."""
        began = time.monotonic()
        while time.monotonic() < began + _PATIENCE_SECONDS:
            with suppress(HomeroomError):
                if _is_whole(await self.ask()):
                    return time.monotonic() - began
            await asyncio.sleep(0.1)
        raise TimeoutError("the answers did not become whole")


def _is_whole(answer: Answer) -> bool:
    return answer.complete and answer.table.num_rows == len(HOLDERS) * _STUDENTS * _DAYS


async def _permitted(asking: _Asking, found: Found) -> None:
    took = []
    for _ in range(_SMALL):
        began = time.monotonic()
        found.require(_is_whole(await asking.ask()), "a permitted answer is not whole")
        took.append(time.monotonic() - began)
    found.told["permitted_p50_ms"] = round(statistics.median(took) * 1000)


async def _denied(asking: _Asking, found: Found) -> None:
    try:
        answer = await asking.ask(purpose="research")
    except NotPermittedError:
        found.told["denied"] = "NOT_PERMITTED"
    else:
        found.told["denied"] = sorted({str(one.outcome) for one in answer.sources.values()})
        found.require(answer.table.num_rows == 0, "rows came for a purpose that nobody agreed to")
        found.require(not answer.complete, "a denied answer calls itself complete")


_Act = Callable[[], object]


def _breakages(made: Federation) -> Sequence[tuple[str, _Act, _Act, set[Outcome]]]:
    """What is done to one organization, how it is undone, and what is told of it meanwhile."""
    node, database = f"{_POD}-node", f"{_BROKEN}-postgres-dev-0"
    return [
        (
            "paused",
            lambda: made.podman("pause", node),
            lambda: made.podman("unpause", node),
            _AWAY,
        ),
        (
            "partitioned",
            lambda: made.podman("network", "disconnect", "hub", made.infra(_POD)),
            lambda: made.join(_POD),
            _AWAY,
        ),
        (
            "without_database",
            lambda: made.podman("pod", "stop", "--time=5", database),
            lambda: made.podman("pod", "start", database),
            {Outcome.CANNOT_DECIDE, *_AWAY},
        ),
        (
            "without_policy",
            lambda: _forgotten(made.podman("pause", f"{_POD}-opa-federation")),
            lambda: made.podman("unpause", f"{_POD}-opa-federation"),
            {Outcome.CANNOT_DECIDE},
        ),
        (
            "stopped",
            lambda: made.podman("pod", "stop", "--time=30", _POD),
            lambda: made.podman("pod", "start", _POD),
            _AWAY,
        ),
    ]


def _forgotten(done: str) -> str:
    """Waits until no node remembers what was permitted before."""
    time.sleep(_REMEMBERED_SECONDS)
    return done


async def _broken(
    asking: _Asking, found: Found, what: str, acts: tuple[_Act, _Act], outcomes: set[Outcome]
) -> None:
    """The other's answer is whole and in time, and this one's is named."""
    breaks, heals = acts
    await asyncio.to_thread(breaks)
    began = time.monotonic()
    answer = await asking.ask()
    seconds = time.monotonic() - began
    await asyncio.to_thread(heals)
    told = {name: one.outcome for name, one in answer.sources.items()}
    reason = answer.sources[_BROKEN].error_reason
    found.told[what] = {
        "outcome": f"{told[_BROKEN]} {reason}".strip(),
        "ms": round(seconds * 1000),
        "healed_s": round(await asking.until_whole(), 1),
    }
    others = [outcome for name, outcome in told.items() if name != _BROKEN]
    found.require(told[_BROKEN] in outcomes, f"{what}: it is called {told[_BROKEN]}")
    found.require(others == [Outcome.ANSWERED], f"{what}: the other one's answer did not come")
    rows = answer.table.num_rows
    found.require(rows == _STUDENTS * _DAYS, f"{what}: {rows} rows came")
    in_time = seconds <= _DEADLINE_SECONDS + _OVERRUN_SECONDS
    found.require(in_time, f"{what}: the answer took {seconds:.2f} s")


async def _restarted(made: Federation, asking: _Asking, found: Found) -> None:
    """Each replica of the gateway is stopped and started in its turn, while questions go on."""
    ended, asked, lost = False, 0, []

    async def ask_on() -> None:
        nonlocal asked
        while not ended:
            asked += 1
            try:
                if not _is_whole(await asking.ask(seconds=10)):
                    lost.append("not whole")
            except HomeroomError as error:
                lost.append(str(error.reason))

    tasks = [asyncio.create_task(ask_on()) for _ in range(_AT_ONCE)]
    for number in range(GATEWAYS):
        pod = f"hub-gateway-{number}"
        # Not the pod: podman ends its network at once, and not when the last container has ended.
        await asyncio.to_thread(made.podman, "stop", "--time=150", f"{pod}-gateway")
        await asyncio.to_thread(made.podman, "start", f"{pod}-gateway")
        await asyncio.to_thread(made.wait_until_serving, pod)
        # A client notices a replica that came back within its next try to connect.
        await asyncio.sleep(3)
    ended = True
    await asyncio.gather(*tasks)
    found.told["rolling_restart"] = {"asked": asked, "lost": len(lost)}
    found.require(
        not lost, f"rolling restart: {len(lost)} of {asked} were lost: {sorted(set(lost))}"
    )
