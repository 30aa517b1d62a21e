# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Makes a wheel that needs nothing but the C library: `python packaging/repair.py WHEEL DIRECTORY`.

auditwheel puts libelf and zlib into it. Their licences follow, and a bill of materials (CycloneDX, where
PEP 770 wants it), which names libbpf too. What is not in LIBRARIES is refused: its licence would be missing.
cibuildwheel runs this, too.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from reproducible import source_date_epoch

import libbpf

ROOT = Path(__file__).resolve().parent.parent
LICENSES = ROOT / "packaging/licenses"
SPEC_VERSION = "1.6"


class Library(NamedTuple):
    """A shared library that may be in a wheel: its project, where that is, and its licence."""

    project: str
    website: str
    expression: str


# By the name of the file up to its first dot. A libelf of 2023 or later reads sections that zstd compressed.
LIBRARIES = {
    "libelf": Library(
        "elfutils", "https://sourceware.org/elfutils/", "LGPL-3.0-or-later OR GPL-2.0-or-later"
    ),
    "libz": Library("zlib", "https://zlib.net/", "Zlib"),
    "libzstd": Library("zstd", "https://facebook.github.io/zstd/", "BSD-3-Clause"),
}


class RepairError(Exception):
    """The wheel holds what nobody has looked at yet, or not what it should."""


def graft(wheel: Path, directory: Path) -> Path:
    """The repaired wheel that auditwheel writes to `directory`, with zlib inside.

    auditwheel takes it for granted that every system has zlib. Slim container images have none.
    """
    policy = importlib.import_module("auditwheel.policy")
    main = importlib.import_module("auditwheel.main")
    for libc, file in dict(policy._POLICY_JSON_MAP).items():
        policies = json.loads(file.read_text())
        for each in policies:
            each["lib_whitelist"] = [name for name in each["lib_whitelist"] if name != "libz.so.1"]
        changed = directory / f"policy-{libc.name}.json"
        changed.write_text(json.dumps(policies))
        policy._POLICY_JSON_MAP[libc] = changed
    sys.argv = ["auditwheel", "repair", "--strip", "--wheel-dir", str(directory), str(wheel)]
    if main.main():
        raise RepairError(f"auditwheel cannot repair {wheel.name}")
    (repaired,) = directory.glob("*.whl")
    return repaired


def describe(wheel_name: str, tree: Path, epoch: int) -> None:
    """Adds licences and the bill of materials to an unpacked wheel."""
    (information,) = tree.glob("*.dist-info")
    name, version = wheel_name.split("-")[:2]
    # What auditwheel found out: the packages of the system that the libraries are from.
    found = information / "sboms/auditwheel.cdx.json"
    packages = json.loads(found.read_text())["components"][1:] if found.exists() else []
    found.unlink(missing_ok=True)
    components = [libbpf_component()]
    for file in sorted((tree / f"{name}.libs").iterdir()):
        components.append(library_component(file, packages))
        add_licenses(information, library_of(file).project)
    product = {
        "type": "library",
        "bom-ref": "wheel",
        "name": name,
        "version": version,
        "licenses": [{"expression": "LGPL-2.1-only OR BSD-2-Clause"}],
        "purl": f"pkg:pypi/{name}@{version}?file_name={wheel_name}",
    }
    contents = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, product['purl'])}",  # type: ignore[arg-type]
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, timezone.utc).isoformat(),
            "component": product,
        },
        "components": components,
        "dependencies": [
            {"ref": "wheel", "dependsOn": [component["bom-ref"] for component in components]},
            *({"ref": component["bom-ref"]} for component in components),
        ],
    }
    found.parent.mkdir(exist_ok=True)
    (found.parent / f"{name}.cdx.json").write_text(json.dumps(contents, indent=2) + "\n")


def library_of(file: Path) -> Library:
    """The entry of LIBRARIES for a file that auditwheel renamed: libelf-HASH.so.1, libelf-0-HASH.188.so."""
    library = LIBRARIES.get(file.name.split(".")[0].split("-")[0])
    if library is None:
        raise RepairError(f"{file.name} is in the wheel, and its licence is not in packaging/licenses")
    return library


def add_licenses(information: Path, project: str) -> None:
    target = information / "licenses" / project
    target.mkdir(parents=True, exist_ok=True)
    for text in sorted((LICENSES / project).iterdir()):
        (target / text.name).write_bytes(text.read_bytes())


def libbpf_component() -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": "libbpf",
        "name": "libbpf",
        "version": libbpf.RELEASE,
        "licenses": [{"expression": "LGPL-2.1-only OR BSD-2-Clause"}],
        "purl": f"pkg:github/libbpf/libbpf@v{libbpf.RELEASE}",
        "externalReferences": [{"type": "vcs", "url": "https://github.com/libbpf/libbpf"}],
        "properties": [
            {"name": f"git:object:{path}", "value": object_id} for path, object_id in libbpf.OBJECTS.items()
        ],
    }


def library_component(file: Path, packages: list[dict[str, Any]]) -> dict[str, Any]:
    """A library as a component, with version and purl of the system's package where they are known."""
    library, stem = library_of(file), file.name.split("-")[0].split(".")[0]
    # Debian calls libz's package zlib1g, Red Hat libelf's elfutils-libelf.
    names = (stem, library.project)
    known = [package for package in packages if any(name in package["name"] for name in names)]
    component = {
        "type": "library",
        "bom-ref": file.name,
        "name": stem,
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}],
        "licenses": [{"expression": library.expression}],
        "externalReferences": [{"type": "website", "url": library.website}],
    }
    if known:
        return component | {key: known[0][key] for key in ("version", "purl")}
    # auditwheel does not find the package of a library below /lib where that is a link to /usr/lib.
    numbers = file.name.partition(".so.")[2]
    return component | ({"version": numbers} if "." in numbers else {})


def repair(wheel: Path, directory: Path) -> Path:
    """Writes the repaired wheel to `directory`, and returns where it is."""
    epoch = source_date_epoch(ROOT)
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        grafted = graft(wheel.resolve(), Path(scratch))
        command = [sys.executable, "-m", "wheel"]
        subprocess.run([*command, "unpack", "--dest", f"{scratch}/tree", grafted], check=True)
        (tree,) = (Path(scratch) / "tree").iterdir()
        describe(grafted.name, tree, epoch)
        # Sorts, sets every time to SOURCE_DATE_EPOCH, and writes RECORD anew.
        subprocess.run([*command, "pack", "--dest-dir", directory, tree], check=True)
    return directory / grafted.name


if __name__ == "__main__":
    try:
        repair(Path(sys.argv[1]), Path(sys.argv[2]))
    except RepairError as error:
        sys.exit(f"repair: {error}")
