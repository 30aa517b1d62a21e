# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Vendors another release of libbpf, the newest one if none is named: `make upgrade-libbpf`.

Fills libbpf/, stages the gitlink, writes the release and its object ids to packaging/libbpf.py, and declares
the new functions, with the structs that they take, at the end of the files of cdef/. What needs a person is
printed: the new functions, and which structs, enums and functions of before have changed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import libbpf
from libbpf import Tree

CDEF = libbpf.ROOT / "cdef"
# The public headers, and the files of cdef/ of the same names.
HEADERS = ("bpf.h", "btf.h", "libbpf.h", "libbpf_legacy.h")
UAPI = "include/uapi/linux/bpf.h"
# Whatever else names the release, for tests and people.
RELEASE_TEST = libbpf.ROOT / "tests/packaging/test_libbpf.py"


class UpgradeError(Exception):
    """There is no such release, or it is not what this script knows how to read."""


def version(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def newest_release(url: str) -> str:
    tags = libbpf.git("ls-remote", "--tags", "--refs", url, "v*", seconds=libbpf.PROBE_SECONDS)
    releases = re.findall(r"refs/tags/v(\d+\.\d+(?:\.\d+)?)$", tags, re.MULTILINE)
    if not releases:
        raise UpgradeError(f"{url} has no tags of releases")
    return str(max(releases, key=version))


def from_forge(url: str, release: str) -> tuple[Tree, str]:
    """The files of a release and its commit."""
    with tempfile.TemporaryDirectory(prefix="pylibbpf-") as scratch:
        tag = f"v{release}"
        clone = ("clone", "--quiet", "--depth", "1", "-c", "advice.detachedHead=false", "--branch", tag)
        libbpf.git(*clone, url, scratch, seconds=libbpf.CLONE_SECONDS)
        commit = libbpf.git("-C", scratch, "rev-parse", "HEAD", seconds=libbpf.PROBE_SECONDS)
        return libbpf.read_directory(Path(scratch)), commit


def from_tarball(tarball: Path) -> tuple[Tree, str]:
    """The files of a release and its commit, which `git archive` leaves in the header, as forges do."""
    tree = libbpf.read_tarball(tarball)
    with tarfile.open(tarball) as archive:
        archive.next()
        commit = archive.pax_headers.get("comment", "")
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise UpgradeError(f"{tarball} does not say which commit it is of; `git archive` and the forge's do")
    return tree, commit


def text(tree: Tree, path: str) -> str:
    if path not in tree:
        raise UpgradeError(f"the release has no {path}")
    return tree[path].content.decode()


def without_comments(source: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.DOTALL)


def exported(tree: Tree) -> set[str]:
    blocks = re.findall(r"global:(.*?)[}:]", without_comments(text(tree, "src/libbpf.map")), re.DOTALL)
    return {name for block in blocks for name in re.findall(r"(\w+);", block)}


def prototypes(header: str) -> dict[str, str]:
    """The functions of a header as cffi takes them, by name."""
    found = re.findall(r"\bLIBBPF_API\b([^;{]*?\b(\w+)\s*\([^;{]*\))\s*[^;{()]*;", without_comments(header))
    return {name: " ".join(declaration.split()) + ";" for declaration, name in found}


def definitions(header: str) -> dict[str, list[str]]:
    """The fields or enumerators of each struct, union and enum of a header, one to an item."""
    source = re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", "", without_comments(header), flags=re.MULTILINE)
    found = {}
    for match in re.finditer(r"\b(struct|union|enum)\s+(\w+)\s*\{", source):
        depth, end = 1, match.end()
        while depth and end < len(source):
            depth += {"{": 1, "}": -1}.get(source[end], 0)
            end += 1
        separator = "," if match[1] == "enum" else ";"
        body = source[match.end() : end - 1]
        items = (" ".join(item.split()) for item in body.split(separator))
        found[f"{match[1]} {match[2]}"] = [item for item in items if item]
    return found


def declared() -> str:
    return "\n".join(file.read_text() for file in sorted(CDEF.glob("*.h")))


def additions(tree: Tree, new: set[str], release: str) -> dict[str, str]:
    """What each file of cdef/ gets at its end: the new functions, and the structs that only they take."""
    known = declared()
    added = {}
    for name in HEADERS:
        header = text(tree, f"src/{name}")
        functions = [declaration for each, declaration in prototypes(header).items() if each in new]
        if not functions:
            continue
        structs = []
        available = definitions(header)
        for struct in dict.fromkeys(re.findall(r"struct \w+", " ".join(functions))):
            if struct in available and struct + " {" not in known:
                # Padding and the bit fields of a "size_t :0;" are cffi's to skip.
                fields = [field for field in available[struct] if not re.search(r":\s*0$", field)]
                lines = "".join(f"\t{field};\n" for field in fields)
                structs.append(f"{struct} {{\n{lines}\t...;\n}};\n\n")
        title = f"\n/* New in libbpf {release}. */\n"
        added[name] = title + "".join(structs) + "".join(f"{declaration}\n" for declaration in functions)
    return added


def changes(old: Tree, new: Tree) -> Iterator[str]:
    """What is different about the structs, unions and enums that cdef/ declares."""
    known = declared()
    for path in (*(f"src/{name}" for name in HEADERS), UAPI):
        before, after = definitions(text(old, path)), definitions(text(new, path))
        for name, items in after.items():
            if name in before and f"{name} {{" in known:
                yield from (f"  {name}: new {item}" for item in items if item not in before[name])
                yield from (f"  {name}: gone {item}" for item in before[name] if item not in items)


def record_release(tree: Tree, release: str) -> None:
    """Writes the release and its object ids where `make libbpf` and its test read them."""
    script = Path(libbpf.__file__)
    source = script.read_text()
    for path, old_id in libbpf.OBJECTS.items():
        new_id = libbpf.object_id(tree, path)
        if new_id is None:
            raise UpgradeError(f"the release has no {path}")
        source = source.replace(old_id, new_id)
    script.write_text(source.replace(libbpf.RELEASE, release))
    test = RELEASE_TEST.read_text()
    RELEASE_TEST.write_text(test.replace(f'RELEASE = "{libbpf.RELEASE}"', f'RELEASE = "{release}"'))


def replace_sources(tree: Tree, commit: str) -> None:
    """Fills libbpf/ anew, and stages the commit that the superproject names."""
    if libbpf.is_submodule_checkout():
        fetch = ("-C", "libbpf", "fetch", "--quiet", "--depth", "1", "origin", commit)
        libbpf.git(*fetch, seconds=libbpf.CLONE_SECONDS)
        libbpf.git("-C", "libbpf", "checkout", "--quiet", commit, seconds=libbpf.PROBE_SECONDS)
    else:
        shutil.rmtree(libbpf.DESTINATION)
        libbpf.DESTINATION.mkdir()
        libbpf.place(tree)
    if (libbpf.ROOT / ".git").exists():
        entry = f"160000,{commit},libbpf"
        libbpf.git("update-index", "--add", "--cacheinfo", entry, seconds=libbpf.PROBE_SECONDS)


def upgrade(release: str | None, tarball: Path | None) -> None:
    libbpf.fill()
    old = libbpf.read_directory(libbpf.DESTINATION)
    url = libbpf.git("config", "-f", ".gitmodules", "submodule.libbpf.url", seconds=libbpf.PROBE_SECONDS)
    release = release or newest_release(url)
    if version(release) <= version(libbpf.RELEASE):
        raise UpgradeError(f"libbpf {libbpf.RELEASE} is vendored already; {release} is not newer")
    tree, commit = from_tarball(tarball) if tarball else from_forge(url, release)
    new, gone = exported(tree) - exported(old), exported(old) - exported(tree)
    added = additions(tree, new, release)
    changed = list(changes(old, tree))
    record_release(tree, release)
    for name, lines in added.items():
        with (CDEF / name).open("a") as file:
            file.write(lines)
    replace_sources(tree, commit)
    report(release, new, gone, changed)


def report(release: str, new: set[str], gone: set[str], changed: list[str]) -> None:
    print(f"libbpf {libbpf.RELEASE} -> {release}")
    for title, lines in (
        (
            "New functions, declared in cdef/; wrap each, or name it in cdef/omitted.txt:",
            new,
        ),
        ("Functions that are gone:", gone),
        ("Changed, and for you to bring into cdef/ and pylibbpf/:", changed),
    ):
        if lines:
            print(title, *(line if line.startswith(" ") else f"  {line}" for line in sorted(lines)), sep="\n")
    print("Now: make build && .venv/bin/python cdef/stubs.py && make lint test (docs/building.rst).")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--release", help="such as 1.8.0; the newest otherwise")
    parser.add_argument("--tarball", type=Path, help="of that release, where the forge cannot be reached")
    arguments = parser.parse_args()
    if arguments.tarball and not arguments.release:
        parser.error("--tarball needs --release")
    try:
        upgrade(arguments.release, arguments.tarball)
    except (UpgradeError, libbpf.UnavailableError, libbpf.MismatchError) as error:
        sys.exit(f"upgrade: {error}")


if __name__ == "__main__":
    main()
