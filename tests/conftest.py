# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What every test has: the compiled BPF objects, a bpffs, and a check that it leaks nothing."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

from pylibbpf import _native, kernel
from tests import requirements

if TYPE_CHECKING:
    from pylibbpf.maps import Variable

ROOT = Path(__file__).resolve().parent.parent

# Where each live handle was made: file, line and function of the callers, the nearest first.
_made_at: weakref.WeakKeyDictionary[_native.Handle, list[tuple[str, int, str]]] = weakref.WeakKeyDictionary()
_original_init = _native.Handle.__init__


def _recording_init(self: _native.Handle, *arguments: object, **options: object) -> None:
    _original_init(self, *arguments, **options)  # type: ignore[arg-type]
    callers: list[tuple[str, int, str]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame and len(callers) < 12:
        callers.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    _made_at[self] = callers


_native.Handle.__init__ = _recording_init  # type: ignore[method-assign]


def open_fds() -> dict[int, str]:
    """This process's fds and what they are of."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the directory's own
    return found


def eventually(condition: Callable[[], bool]) -> None:
    """Waits for what the kernel does in its own time: 5.10 puts a pin's object after an RCU grace period.

    Whoever lists the links or programs of the machine opens each of them for a moment: a monitor, or the
    tests of another checkout. What was closed meanwhile ends when they close it.
    """
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def eventually_unmoved(counts: Callable[[], object], call: Callable[[], object]) -> None:
    """Waits until a call leaves counts as they are: see `eventually` for who keeps a program attached."""

    def unmoved() -> bool:
        before = counts()
        call()
        return counts() == before

    eventually(unmoved)


def eventually_unwritten(variable: Variable, call: Callable[[], object]) -> None:
    """Waits until a call makes no program write a variable, which is 0 from then on: see `eventually`."""

    def unwritten() -> bool:
        variable.value = 0
        call()
        return bool(variable.value == 0)

    eventually(unwritten)


def program_ids() -> set[int]:
    """The ids of all programs that the kernel has."""
    return _ids(_native.lib.bpf_prog_get_next_id)


def link_ids() -> set[int]:
    """The ids of all links that the kernel has; none is opened for it, as `bpf.link.links` does."""
    return _ids(_native.lib.bpf_link_get_next_id)


def program_names() -> set[str]:
    """The names of all programs that the kernel has."""
    return {program.name for program in kernel.programs()}


def renamed(image: bytes, name: bytes) -> tuple[bytes, str]:
    """A compiled object with one of its names replaced by one that nobody else uses, and that name.

    Other processes load programs too, another copy of the tests the same ones: by such a name ours is found.
    """
    assert name in image
    own = (b"p" + secrets.token_hex(8).encode())[: len(name)]
    return image.replace(name, own), own.decode()


def _ids(get_next_id: Callable[[int, Any], int]) -> set[int]:
    ids, next_id = set(), _native.ffi.new("uint32_t *")
    while get_next_id(next_id[0], next_id) == 0:
        ids.add(next_id[0])
    return ids


@pytest.fixture(scope="session", autouse=True)
def frozen_garbage() -> None:
    """Takes what pytest and the imports have made out of the collections that every test runs."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves an fd or an unfreed handle behind, and says where it was made."""
    before, live = open_fds(), set(_made_at)
    yield
    # What a queued handle keeps alive is found by the next collection only.
    for _ in range(2):
        gc.collect()
        _native.collect()
    handles = [
        handle
        for handle in list(_made_at)
        if handle not in live and handle._unfreed and handle._value is not None
    ]
    # What is left lives on with pytest or with fixtures: the next test's collections leave it out.
    gc.freeze()
    fds = {fd: target for fd, target in open_fds().items() if before.get(fd) != target}
    if handles or fds:
        stacks = "\n".join(
            f"{handle.what}, made at:\n" + "\n".join("  %s:%d, in %s" % caller for caller in _made_at[handle])  # noqa: UP031
            for handle in handles
        )
        pytest.fail(f"leaked fds {fds}\nunfreed handles: {len(handles)}\n{stacks}", pytrace=False)


@pytest.fixture(scope="session")
def bpf_object() -> Callable[[str], Path]:
    """The path of a compiled object of tests/bpf by its name."""

    def find(name: str) -> Path:
        path = ROOT / "tests" / "bpf" / f"{name}.bpf.o"
        assert path.exists(), f"{path} is not compiled: run `make build`"
        return path

    return find


@pytest.fixture(scope="session", autouse=True)
def tracefs() -> None:
    """The tracing file system where libbpf looks for it, for the tests that attach tracepoints.

    It stays mounted: other tests that run at the same time may use it by then.
    """
    path = Path("/sys/kernel/tracing")
    if os.geteuid() == 0 and path.exists() and not (path / "events").exists():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", str(path)], check=False)


@pytest.fixture(scope="session")
def bpffs_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A BPF file system of the tests' own."""
    requirements.require("root", "bpffs")
    path = tmp_path_factory.mktemp("bpffs")
    subprocess.run(["mount", "-t", "bpf", "bpf", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def bpffs(bpffs_root: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty directory on a BPF file system."""
    # A bpffs takes no dots in names.
    path = bpffs_root / f"t{abs(hash(request.node.nodeid)):x}"
    path.mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)
