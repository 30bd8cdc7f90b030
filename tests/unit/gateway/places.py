"""The places of one question, as a test watches them."""


class FakePlaces:
    """Implements `Places`."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.learned: list[tuple[float, float]] = []

    def give(self, places: int) -> None:
        self.held = max(self.held - places, 1)

    def answered(self, batches: float, ended: float) -> None:
        self.learned.append((batches, ended))
