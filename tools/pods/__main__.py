"""Plays a hub and two organizations from our manifests, and breaks them; 1 if that misleads.

Real containers by podman 5, in a Debian of its own: our image as it is committed, real OPA beside
each service, PostgreSQL, TLS both ways, without root and on read-only roots as the manifests say.
Needs root, mmdebstrap and Debian's packages; where a machine has not, it says so and ends with 2.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from services.runtime.policy import find_opa
from tools.found import Found
from tools.manifests.rendering import find_kustomize
from tools.pods.debian import Debian, NoPodsError, debian
from tools.pods.images import make_images
from tools.wan.network import enter

_CACHE = Path("~/.cache/homeroom/pods").expanduser()


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes images, plays the pods, runs the course of events, and says what came of it."""
    argparse.ArgumentParser(prog="pods", description=__doc__).parse_args(arguments)
    opa = find_opa(os.environ)
    kustomize = find_kustomize(os.environ)
    if opa is None or kustomize is None:
        print("NOT CHECKED: no opa or no kustomize is here; where Go is, they are installed")
        return 2
    with tempfile.TemporaryDirectory(prefix="homeroom-pods-") as shared:
        try:
            with debian(_CACHE, Path(shared)) as inside:
                make_images(inside, Path(opa))
                came = _play(inside, kustomize[0])
        except NoPodsError as impossible:
            print(f"NOT CHECKED: pods were not played: {impossible}")
            return 2
    return came.say()


def _play(inside: Debian, kustomize: Sequence[str]) -> Found:
    # From here on this process is on the pods' network; what opens connections comes after that.
    enter(inside.process)
    from tools.pods.events import course  # noqa: PLC0415  # gRPC has threads: they must be there too
    from tools.pods.federation import found  # noqa: PLC0415

    return course(found(inside, kustomize))


if __name__ == "__main__":
    sys.exit(main())
