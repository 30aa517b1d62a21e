# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Lists of links, while links come and go."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf import kernel

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

TIMES = 100


@pytest.fixture
def busy(bpf_object: Callable[[str], Path]) -> Iterator[threading.Thread]:
    """A thread that attaches a program and closes the link so many times."""
    with bpf.Object.open(bpf_object("spine")) as obj:
        for program in obj.programs.values():
            program.autoload = program.name == "raw_tracepoint"
        obj.load()
        attach = obj.programs["raw_tracepoint"].attach  # type: ignore[attr-defined]

        def attach_and_close() -> None:
            for _ in range(TIMES):
                # Before Linux 6.10 it attaches once to a tracepoint, and whoever lists links keeps the last
                # one open for a moment.
                with contextlib.suppress(bpf.ExistsError):
                    attach().close()

        thread = threading.Thread(target=attach_and_close)
        thread.start()
        yield thread
        thread.join()


@pytest.mark.parametrize("list_links", [kernel.links, bpf.link.links])
def test_a_link_that_is_not_attached_yet_is_left_out(
    busy: threading.Thread, list_links: Callable[[], Iterator[object]]
) -> None:
    while busy.is_alive():
        for _ in list_links():
            pass
