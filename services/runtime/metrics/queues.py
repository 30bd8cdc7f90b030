"""Reads how full a service's turns are: what is at work, and what waits."""

from collections.abc import Callable

from services.runtime.fair_queue import Standing
from services.runtime.metrics.readings import Reading, Values
from services.runtime.turns import Turns


def measure_turns(turns: Turns) -> tuple[Reading, ...]:
    """Places, how many of them are held, and questions that wait; small and large apart."""

    def each(told: Callable[[Standing], float]) -> Callable[[], Values]:
        return lambda: {(size,): told(one) for size, one in turns.standing.items()}

    read = {
        "places": ("Places for answers, by what they cost.", each(lambda one: one.places)),
        "places_held": ("Places that answers hold.", each(lambda one: one.at_work)),
        "waiting": ("Questions that wait for their turn.", each(lambda one: one.waiting)),
    }
    return tuple(
        Reading(f"homeroom_turns_{name}", told, values, ("size",))
        for name, (told, values) in read.items()
    )
