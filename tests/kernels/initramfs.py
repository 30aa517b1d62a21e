# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The guest's root: one initramfs with busybox, the running Python, what the tests import, and the checkout.

Everything has the path that it has on the host, so that tracebacks, byte code and library paths are right in
the guest without a translation.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import lzma
import marshal
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# What the tests may import besides the standard library, with what these require.
DISTRIBUTIONS = ("cffi", "hypothesis", "pytest")

# Parts of the standard library that no test of ours imports.
WITHOUT = re.compile(
    r"__pycache__|config-.*|dist-packages|ensurepip|idlelib|lib2to3|pydoc_data|site-packages|tests?|tkinter|turtledemo"
    r"|_test.*|_ctypes_test.*|_tkinter.*|xxlimited.*"
)

# Programs that tests may call, where the host has them; busybox stands in for the rest.
PROGRAMS = ("ip", "tc")

# What is a module in one of the kernels and built into another. What they depend on comes along.
MODULES = ("veth", "dummy", "sch_ingress", "cls_bpf", "act_bpf", "nf_defrag_ipv4", "nf_defrag_ipv6")

TREE = ("pylibbpf", "tests", "examples", "cdef", "pyproject.toml")


class MissingError(Exception):
    """Something that belongs in the guest is not on this machine."""


# The cpio archive


@dataclass(frozen=True)
class Entry:
    """A file of the archive: its mode, when it changed, and its contents or where these are."""

    mode: int
    contents: bytes | Path = b""
    changed: int = 0
    device: tuple[int, int] = (0, 0)


class Image:
    """An archive in cpio's newc format: Documentation/driver-api/early-userspace/buffer-format.rst."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def directory(self, path: str | Path, mode: int = 0o755) -> None:
        """Add an empty directory, and those above it."""
        self._parents(str(path))
        self.entries.setdefault(str(path), Entry(stat.S_IFDIR | mode))

    def file(self, path: str | Path, contents: bytes | Path, *, mode: int = 0o644, changed: int = 0) -> None:
        """Add a regular file."""
        self._parents(str(path))
        self.entries[str(path)] = Entry(stat.S_IFREG | mode, contents, changed)

    def link(self, path: str | Path, target: str) -> None:
        """Add a symbolic link."""
        self._parents(str(path))
        self.entries[str(path)] = Entry(stat.S_IFLNK | 0o777, os.fsencode(target))

    def device(self, path: str, major: int, minor: int) -> None:
        """Add a character device."""
        self._parents(path)
        self.entries[path] = Entry(stat.S_IFCHR | 0o600, device=(major, minor))

    def copy(self, path: Path) -> None:
        """Add a file of the host under its own path, with the symbolic links that lead to it."""
        path = self._follow(path)
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            self.directory(path)
        else:
            self.file(path, path, mode=stat.S_IMODE(status.st_mode), changed=int(status.st_mtime))

    def copy_tree(self, path: Path, without: Callable[[str], bool] = lambda name: False) -> None:
        """Add a directory of the host, or a file, except the names in it that `without` rejects."""
        if not path.is_dir():
            self.copy(path)
            return
        for directory, names, files in os.walk(path):
            names[:] = [name for name in names if not without(name)]
            for name in files:
                if not without(name):
                    self.copy(Path(directory, name))

    def _follow(self, path: Path) -> Path:
        """Add the symbolic links on the way to `path`, and return where they lead."""
        followed = Path("/")
        parts = list(path.absolute().parts[1:])
        while parts:
            part = parts.pop(0)
            if part == "..":
                followed = followed.parent
                continue
            followed /= part
            if followed.is_symlink():
                target = os.readlink(followed)
                self.link(followed, target)
                parts = [*Path(target).parts, *parts]
                if target.startswith("/"):
                    parts.pop(0)
                    followed = Path("/")
                else:
                    followed = followed.parent
        return followed

    def _parents(self, path: str) -> None:
        parent = os.path.dirname(path)
        if parent != "/" and parent not in self.entries:
            self.directory(parent)

    def host_files(self) -> Iterator[Path]:
        """Yield the host's files that the image copies."""
        for entry in self.entries.values():
            if isinstance(entry.contents, Path):
                yield entry.contents

    def write(self, stream: IO[bytes]) -> None:
        """Write the archive."""
        for number, (path, entry) in enumerate(sorted(self.entries.items()), start=1):
            contents = entry.contents.read_bytes() if isinstance(entry.contents, Path) else entry.contents
            self._write_entry(stream, number, path.lstrip("/"), entry, contents)
        self._write_entry(stream, 0, "TRAILER!!!", Entry(0), b"")

    def _write_entry(self, stream: IO[bytes], number: int, name: str, entry: Entry, contents: bytes) -> None:
        encoded = os.fsencode(name) + b"\0"
        # inode, mode, uid, gid, links, mtime, size, major, minor, device's, length of name, checksum
        numbers = (
            number,
            entry.mode,
            0,
            0,
            1,
            entry.changed,
            len(contents),
            0,
            0,
            *entry.device,
            len(encoded),
            0,
        )
        header = b"070701" + b"".join(b"%08x" % number for number in numbers) + encoded
        stream.write(header + bytes(-len(header) % 4))
        stream.write(contents + bytes(-len(contents) % 4))


# What goes into it


def root(checkout: Path, command: str) -> Image:
    """Return the root of a guest that runs the shell script `command`, with all that the tests need."""
    image = minimal(Path(__file__).with_name("init").read_bytes())
    image.file("/command", command.encode())
    add_python(image)
    for name in DISTRIBUTIONS:
        add_distribution(image, name)
    if not (checkout / "pylibbpf/_libbpf.abi3.so").exists():
        raise MissingError("pylibbpf/_libbpf.abi3.so is not built: run `make build` first.")
    for name in TREE:
        if (checkout / name).exists():
            image.copy_tree(checkout / name, lambda name: name == "__pycache__")
    for program in PROGRAMS:
        if path := shutil.which(program):
            image.copy(Path(path))
    add_byte_code(image)
    add_rewritten_tests(image)
    add_libraries(image)
    return image


def minimal(init: bytes) -> Image:
    """Return an image with busybox, the script /init and nothing else."""
    busybox = shutil.which("busybox")
    if busybox is None or shared_libraries([Path(busybox)]):
        raise MissingError("A statically linked busybox is not installed (Debian: busybox-static).")
    image = Image()
    image.device("/dev/console", 5, 1)
    for directory in ("proc", "sys", "etc", "root", "run", "var"):
        image.directory(f"/{directory}")
    image.directory("/tmp", 0o1777)
    for directory in ("bin", "lib", "sbin"):
        image.copy(Path("/", directory))  # real directories, or links into /usr
    image.file(Path("/bin").resolve() / "busybox", Path(busybox), mode=0o755)
    image.file("/init", init, mode=0o755)
    return image


def add_python(image: Image) -> None:
    """Add the running Python: interpreter, standard library and, if it has one, virtual environment."""
    image.copy(Path(sys.executable))
    for directory in {Path(os.__file__).parent, Path(sysconfig.get_config_var("DESTSHARED"))}:
        image.copy_tree(directory, lambda name: WITHOUT.fullmatch(name) is not None)
    if sys.prefix != sys.base_prefix:
        image.copy(Path(sys.prefix, "pyvenv.cfg"))


def add_distribution(image: Image, name: str, seen: set[str] | None = None) -> None:
    """Add an installed distribution and all that it requires, where that is installed."""
    seen = set() if seen is None else seen
    seen.add(name)
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        if not {"__pycache__", "bin"}.intersection(file.parts) and path.exists():
            image.copy(path)
    for requirement in distribution.requires or ():
        required = re.match(r"[\w.-]+", requirement)
        if required and required[0] not in seen and "extra ==" not in requirement:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # for another Python or system
                add_distribution(image, required[0], seen)


def add_byte_code(image: Image) -> None:
    """Add byte code for all the Python sources, which spares the emulated Python from compiling them.

    It is of the kind that is not checked against the source (PEP 552).
    """
    for path in [path for path in image.entries if path.endswith(".py")]:
        with contextlib.suppress(SyntaxError, ValueError):  # templates, files for another Python
            image.file(importlib.util.cache_from_source(path), byte_code(Path(path)))


def byte_code(path: Path) -> bytes:
    """Return unchecked byte code for a source file, from its __pycache__ if that is up to date."""
    magic = importlib.util.MAGIC_NUMBER
    unchecked = magic + (1).to_bytes(4, "little") + bytes(8)
    status = path.stat()
    cached = Path(importlib.util.cache_from_source(path))
    if cached.exists():
        header = cached.read_bytes()[:16]
        timestamp = int(status.st_mtime).to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
        if header == magic + bytes(4) + timestamp:
            return unchecked + cached.read_bytes()[16:]
    return unchecked + marshal.dumps(compile(path.read_bytes(), path, "exec", dont_inherit=True))


def add_rewritten_tests(image: Image) -> None:
    """Add the byte code that pytest wrote on the host for tests with rewritten assertions."""
    for path in [Path(path) for path in image.entries if path.endswith(".py")]:
        for cached in path.parent.glob(f"__pycache__/{path.stem}.*-pytest-*.pyc"):
            image.copy(cached)


def add_libraries(image: Image) -> None:
    """Add the shared libraries of all executables and libraries, and the loader's cache of paths."""
    objects = [path for path in image.host_files() if is_dynamic(path)]
    for library in shared_libraries(objects):
        image.copy(library)
        # glibc loads it by name to end a thread.
        unwinder = library.with_name("libgcc_s.so.1")
        if library.name == "libc.so.6" and unwinder.exists():
            image.copy(unwinder)
    if Path("/etc/ld.so.cache").exists():
        image.copy(Path("/etc/ld.so.cache"))


def is_dynamic(path: Path) -> bool:
    """Say whether a file is an ELF executable or shared object, and not for BPF."""
    with path.open("rb") as file:
        header = file.read(20)
    elf_type, machine = int.from_bytes(header[16:18], "little"), int.from_bytes(header[18:20], "little")
    return header.startswith(b"\x7fELF") and elf_type in (2, 3) and machine != 247  # ET_EXEC, ET_DYN; EM_BPF


def shared_libraries(objects: Iterable[Path]) -> list[Path]:
    """Return the shared libraries that ELF objects load, the loader included."""
    ldd = subprocess.run(["ldd", *map(str, objects)], capture_output=True, text=True, check=False)
    return [Path(path) for path in sorted(set(re.findall(r"(/\S+) \(0x", ldd.stdout)))]


def kernel_modules(directory: Path) -> Image:
    """Return an image with the modules that the tests need, named in /modules in the order that loads them.

    A module that the package does not have is built into that kernel, or newer than it.
    """
    packaged = {path.name.partition(".ko")[0].replace("-", "_"): path for path in directory.rglob("*.ko*")}
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name not in ordered and name in packaged:
            contents = read_module(packaged[name])
            depends = re.search(rb"\0depends=([^\0]*)\0", contents)
            for dependency in depends[1].decode().split(",") if depends else ():
                add(dependency.replace("-", "_"))
            ordered[name] = contents

    image = Image()
    image.directory("/modules")
    for name in MODULES:
        add(name)
    for number, (name, contents) in enumerate(ordered.items()):
        image.file(f"/modules/{number:02}-{name}.ko", contents)
    return image


def read_module(path: Path) -> bytes:
    """Read a kernel module, compressed or not."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", str(path)], capture_output=True, check=True).stdout
    return path.read_bytes()
