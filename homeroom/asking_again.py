"""When to ask again whoever had no place for a question, and said when there may be one."""

import math

from homeroom.errors import TooMuchAskedError

_LEAST_PAUSE = 0.1


def pause_before_asking_again(refused: TooMuchAskedError, chance: float) -> float | None:
    """The seconds to wait; None where what was asked for is too much at any time.

    Args:
        refused: the refusal.
        chance: between 0 and 1: else all who were refused at once would come back at once.
    """
    told = refused.metadata.get("retry_after")
    try:
        least = float(told) if told is not None else math.nan
    except ValueError:
        return None
    return max(least, _LEAST_PAUSE) * (1 + chance) if least >= 0 else None
