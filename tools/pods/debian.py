"""A Debian with podman 5 in a folder, and namespaces of its own in which its programs run."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_PACKAGES = (
    "podman,buildah,crun,netavark,aardvark-dns,catatonit,nftables,iptables,conmon,ca-certificates"
)
# Podman asks for more than a machine without CAP_SYS_RESOURCE may give.
_CONFIGURED = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_NEEDED = ("mmdebstrap", "unshare", "nsenter", "ip")
_CGROUPS = Path("/sys/fs/cgroup")
_QUIET = {"PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


class NoPodsError(Exception):
    """Pods cannot run on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Debian:
    """A running one.

    Attributes:
        process: who keeps its namespaces.
        shared: the folder that both sides see under the same path.
    """

    process: int
    shared: Path

    def command(self, *words: str) -> list[str]:
        """What runs a command inside."""
        spaces = ["--mount", "--pid", "--net"]
        return ["nsenter", *spaces, f"--target={self.process}", "--", *words]

    def run(self, *words: str, check: bool = True) -> str:
        """Runs a command inside; what it wrote.

        Raises:
            NoPodsError: if it failed, with the end of what it said.
        """
        done = subprocess.run(
            self.command(*words),
            env={**os.environ, **_QUIET},
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise NoPodsError(f"{' '.join(words[:4])}: {done.stderr.strip()[-1500:]}")
        return done.stdout


@contextmanager
def debian(cached: Path, shared: Path) -> Iterator[Debian]:
    """A Debian with podman, until the block ends; its containers end with it.

    Args:
        cached: where the folder stays from one run to the next, images included.
        shared: a folder of this run.

    Raises:
        NoPodsError: if this machine does not let it be.
    """
    if os.geteuid() != 0:
        raise NoPodsError("it needs root")
    if missing := [one for one in _NEEDED if shutil.which(one) is None]:
        raise NoPodsError(f"not at hand: {', '.join(missing)} (Debian has them)")
    root = _made(cached)
    apart = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
    holder = subprocess.Popen(
        [*apart, str(HERE / "holder.sh"), str(root), str(shared)], stdout=subprocess.PIPE
    )
    try:
        if holder.stdout is None or holder.stdout.readline() != b"ready\n":
            raise NoPodsError("namespaces of its own could not be made")
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text("ascii")
        inside = Debian(int(children), shared)
        _clear(inside)
        yield inside
        _clear(inside)
    finally:
        holder.kill()
        holder.wait()
        _forget_cgroups()


def _made(cached: Path) -> Path:
    """The folder, made where it is not there yet."""
    root = cached / "trixie"
    if root.is_dir():
        return root
    cached.mkdir(parents=True, exist_ok=True)
    fresh = cached / "trixie.new"
    shutil.rmtree(fresh, ignore_errors=True)
    made = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", "trixie"]
    if subprocess.run([*made, str(fresh)], check=False).returncode:
        raise NoPodsError("Debian's packages could not be had")
    (fresh / "etc/containers").mkdir(parents=True, exist_ok=True)
    (fresh / "etc/containers/containers.conf").write_text(_CONFIGURED, "utf-8")
    return fresh.rename(root)


def _clear(inside: Debian) -> None:
    """No pod, no network and no secret of an earlier run."""
    inside.run("podman", "pod", "rm", "--all", "--force", "--time=0", check=False)
    inside.run("podman", "network", "prune", "--force", check=False)
    inside.run("podman", "secret", "rm", "--all", check=False)
    inside.run("podman", "volume", "prune", "--force", check=False)


def _forget_cgroups() -> None:
    """Podman leaves its groups at the top of each hierarchy."""
    for top in _CGROUPS.glob("*/libpod_parent"):
        for folder in (*sorted(top.rglob("*/"), reverse=True), top):
            with suppress(OSError):
                folder.rmdir()
