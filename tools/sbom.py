"""Says what the image has, as CycloneDX: `python -m tools.sbom --debian FOLDER services`.

Python's packages are those of the lock, each with the digests of the files that may be installed;
Debian's are those whose notes `deploy/images/base.sh` left in the image. The same image has the
same list, byte for byte: nothing in it is of the day or of the machine. What a wheel carries
inside, a list of locked names cannot tell.
"""

import argparse
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.parser import HeaderParser
from importlib.metadata import distributions
from pathlib import Path

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from services.runtime.policy import OPA_VERSION
from tools.image_lock import LOCK, locked, needed

PROJECT = Path(__file__).resolve().parent.parent
ENGINE_LOCK = PROJECT / "requirements-opa.lock"

# What the base is: tools/image.sh names the release as well.
_RELEASE = "debian-12"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "homeroom: an image")


def python_components(locks: Mapping[str, str]) -> Iterator[Component]:
    """Each locked distribution, with the digests of its files.

    Args:
        locks: by name, the requirement as it stands in a lock.
    """
    for name, written in locks.items():
        (pinned,) = Requirement(_first(written)).specifier
        digests = [digest.strip(" \\\n") for digest in written.split("--hash=sha256:")[1:]]
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=pinned.version,
            purl=PackageURL("pypi", name=name, version=pinned.version),
            bom_ref=f"pypi:{name}",
            external_references=[
                ExternalReference(
                    type=ExternalReferenceType.DISTRIBUTION,
                    url=XsUri(f"https://pypi.org/project/{name}/{pinned.version}/#files"),
                    hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in digests],
                )
            ],
        )


def debian_components(notes: Iterable[str]) -> Iterator[Component]:
    """Each Debian package, from what it says of itself (deb-control(5))."""
    for note in notes:
        said = HeaderParser().parsestr(note)
        name, version, machine = said["Package"], said["Version"], said["Architecture"]
        # Debian's security tracker knows faults by the source, which scanners take from here.
        source = (said["Source"] or name).partition(" ")[0]
        more = {"arch": machine, "distro": _RELEASE, "upstream": source}
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            purl=PackageURL("deb", "debian", name, version, qualifiers=more),
            bom_ref=f"deb:{name}",
        )


def engine_component() -> Component:
    """OPA itself, which its bindings for Python carry as one library."""
    return Component(
        type=ComponentType.LIBRARY,
        name="github.com/open-policy-agent/opa",
        version=f"v{OPA_VERSION}",
        purl=PackageURL("golang", "github.com/open-policy-agent", "opa", f"v{OPA_VERSION}"),
        bom_ref="golang:opa",
    )


def list_of(components: Iterable[Component]) -> str:
    """The whole list in JSON; the same components make the same bytes."""
    image = Component(
        type=ComponentType.CONTAINER,
        name="homeroom",
        version=_version(),
        bom_ref="image",
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
    )
    made = Bom(
        components=components,
        metadata=BomMetaData(
            component=image, lifecycles=[PredefinedLifecycle(phase=LifecyclePhase.BUILD)]
        ),
    )
    made.register_dependency(image, made.components)
    made.metadata.timestamp = None  # type: ignore[assignment]  # the schema lets it be left out
    purls = "\n".join(sorted(f"{one.purl}" for one in made.components))
    made.serial_number = uuid.uuid5(_NAMESPACE, f"{image.version}\n{purls}")
    return JsonV1Dot6(made).output_as_string(indent=1) + "\n"


def image_packages(extras: Sequence[str]) -> dict[str, str]:
    """What of the locks is in the image with these extras of the distribution, by name."""
    every = locked(LOCK.read_text("utf-8"))
    packages = {name: every[name] for name in needed(extras)}
    return packages | dict(locked(ENGINE_LOCK.read_text("utf-8")))


def unlisted(packages: Mapping[str, str], folder: Path) -> set[str]:
    """The distributions of a folder that are not those of the locks, or those that it lacks."""
    there = {
        f"{canonicalize_name(one.name)}=={one.version}" for one in distributions(path=[str(folder)])
    }
    listed = {f"{name}{Requirement(_first(text)).specifier}" for name, text in packages.items()}
    return there ^ listed


def _first(written: str) -> str:
    return written.partition(" \\\n")[0]


def image_list(notes: Iterable[str], packages: Mapping[str, str]) -> str:
    """What an image with these packages of Debian's and of Python's has."""
    return list_of([*python_components(packages), *debian_components(notes), engine_component()])


def _version() -> str:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the list to standard output; 1 if it would not be what is there."""
    parser = argparse.ArgumentParser(prog="python -m tools.sbom")
    parser.add_argument("--debian", required=True, type=Path, help="a folder with a note of each")
    parser.add_argument("--installed", type=Path, help="a folder with Python's, to compare with")
    parser.add_argument("extras", nargs="*", default=["services"])
    asked = parser.parse_args(arguments)
    notes = [file.read_text("utf-8") for file in sorted(asked.debian.glob("*"))]
    if not notes:
        sys.stderr.write(f"sbom: no package is noted in {asked.debian}\n")
        return 1
    packages = image_packages(asked.extras)
    if asked.installed and (others := unlisted(packages, asked.installed)):
        sys.stderr.write(f"sbom: not as locked: {', '.join(sorted(others))}\n")
        return 1
    sys.stdout.write(image_list(notes, packages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
