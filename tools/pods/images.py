"""Makes the images that the manifests name: ours by `make image`, OPA's and PostgreSQL's by hand.

No registry of images is needed: OPA's program is the pinned one, PostgreSQL is Debian's with an
entry point that does what the manifests use of the image `postgres:17`.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tools.pods.debian import HERE, Debian, NoPodsError

OURS, OPA, POSTGRES = (
    "localhost/homeroom:dev",
    "docker.io/openpolicyagent/opa:latest",
    "postgres:17",
)

_OPA_FILE = 'FROM scratch\nCOPY . /\nUSER 1000:1000\nENTRYPOINT ["/opa"]\n'
_POSTGRES_FILE = """\
FROM scratch
ADD base.tar /
RUN sed -i '/^postgres:/d' /etc/passwd /etc/group \\
 && echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >> /etc/passwd \\
 && echo 'postgres:x:999:' >> /etc/group
COPY postgres.sh /usr/local/bin/
USER 999:999
ENTRYPOINT ["/usr/local/bin/postgres.sh"]
"""
_BUILD = ("buildah", "bud", "--isolation=chroot", "--quiet")
_LIBRARY = re.compile(r"(/lib\S+)")


def make_images(inside: Debian, opa: Path) -> None:
    """Makes ours from the committed tree, and those of others where they are not there yet.

    Raises:
        NoPodsError: if one cannot be made.
    """
    _ours(inside)
    there = inside.run("podman", "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    if OPA not in there:
        _opa(inside, opa)
    if f"docker.io/library/{POSTGRES}" not in there:
        _postgres(inside)


def _ours(inside: Debian) -> None:
    programs = inside.shared / "bin"
    programs.mkdir()
    buildah = programs / "buildah"
    # By its whole path: inside, this file is found under the same name.
    command = " ".join(inside.command("/usr/bin/buildah"))
    buildah.write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8")
    buildah.chmod(0o755)
    told = {"PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(inside.shared)}
    if subprocess.run(["tools/image.sh"], env={**os.environ, **told}, check=False).returncode:
        raise NoPodsError("our own image could not be made")


def _opa(inside: Debian, opa: Path) -> None:
    folder = inside.shared / "opa"
    folder.mkdir()
    shutil.copy(opa, folder / "opa")
    linked = subprocess.run(["ldd", str(opa)], capture_output=True, text=True, check=False).stdout
    for library in map(Path, _LIBRARY.findall(linked)):
        to = folder / library.relative_to("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, to)
    (folder / "Containerfile").write_text(_OPA_FILE, "utf-8")
    inside.run(*_BUILD, "--tag", OPA, str(folder))


def _postgres(inside: Debian) -> None:
    folder = inside.shared / "postgres"
    folder.mkdir()
    made = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=postgresql", "trixie"]
    if subprocess.run([*made, str(folder / "base.tar")], check=False).returncode:
        raise NoPodsError("Debian's PostgreSQL could not be had")
    shutil.copy(HERE / "postgres.sh", folder)
    (folder / "Containerfile").write_text(_POSTGRES_FILE, "utf-8")
    inside.run(*_BUILD, "--tag", f"docker.io/library/{POSTGRES}", str(folder))
    (folder / "base.tar").unlink()
