"""Asks over a wide network that loses packets, cuts it and heals it; ends with 1 if that misleads.

Every organization is a place of its own, as is the hub, and as is its gateway: real processes in
namespaces of the network, 40 ms apart in each direction, and one packet in fifty is lost. Needs
root and /dev/net/tun; where a machine has neither, it says so and ends with 2.
"""

import argparse
import sys
from collections.abc import Sequence

from tools.wan.forwarding import Weather
from tools.wan.network import Network, NoNetworkError, enter, network

_PLACES = ("hub", "gateway", "holder_0", "holder_1", "asker")
_HUB = ("registry", "consent")


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the network, runs the course of events, and says what came of it."""
    parser = argparse.ArgumentParser(prog="wan", description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=40)
    parser.add_argument("--jitter-ms", type=float, default=5)
    parser.add_argument("--loss", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    weather = Weather(given.delay_ms / 1000, given.jitter_ms / 1000, given.loss)
    try:
        with network(_PLACES, weather, given.seed) as wide:
            return _run(wide)
    except NoNetworkError as impossible:
        print(f"NOT CHECKED: no wide network can be made here: {impossible}")
        return 2


def _run(wide: Network) -> int:
    # From here on this process asks where the asker is; what opens connections comes after that.
    enter(wide.places["asker"].process)
    from benchmarks.ground import Sites  # noqa: PLC0415  # gRPC has threads: they must be there too
    from tools.wan.events import course  # noqa: PLC0415

    placed = dict.fromkeys(_HUB, wide.places["hub"]) | {
        name: place for name, place in wide.places.items() if name != "hub"
    }
    sites = Sites(
        hosts={name: place.address for name, place in placed.items()},
        begins={name: place.command for name, place in placed.items()},
    )
    return course(wide, sites).say()


if __name__ == "__main__":
    sys.exit(main())
