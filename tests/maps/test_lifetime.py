# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Threads, forks, signals and garbage: no order of events crashes, hangs, leaks, or hits another map's fd."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pylibbpf import Btf, ClosedError, NotSupportedError, Object, StateError
from pylibbpf.maps import ArrayMap, HashMap
from tests.maps.conftest import NEWER, despite_timeouts, run

pytestmark = pytest.mark.needs("root")


def fds() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def in_child(work: Callable[[], object]) -> None:
    """Runs work in a forked child, and fails unless it returns."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def use_once(map: HashMap[int, int], key: int) -> None:
    map[key] = key
    map.get(key)
    for _ in map.items():
        pass


def test_close_while_threads_use_a_map_ends_in_closed_errors_only(vmlinux: Btf) -> None:
    for _ in range(6):
        map = HashMap.create(btf=vmlinux, key_type="u32", value_type="u64", max_entries=64)
        # What would take over the fd number, and what a late write would end up in.
        ends: list[str] = []
        began = threading.Barrier(5)

        def use(map: HashMap[int, int] = map, ends: list[str] = ends, began: Any = began) -> None:
            began.wait()
            try:
                for number in range(1_000_000):
                    despite_timeouts(partial(use_once, map, number % 64))
            except ClosedError:
                ends.append("closed")

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        began.wait()
        map.close()
        with HashMap.create(key_size=4, value_size=8, max_entries=64) as next_one:
            for thread in threads:
                thread.join()
            assert ends == ["closed"] * 4
            assert len(next_one) == 0


def test_threads_do_not_share_buffers(numbers: HashMap[int, int]) -> None:
    for key in range(100):
        numbers[key] = key << 32 | key
    wrong: list[int] = []

    def read() -> None:
        for _ in range(20):
            for key in range(100):
                if numbers[key] != key << 32 | key:
                    wrong.append(key)

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_close_while_a_thread_uses_a_variable(opened: Object) -> None:
    opened.load()
    total, label = opened.variables["total"], opened.variables["label"]
    began = threading.Event()
    ends: list[str] = []

    def use() -> None:
        try:
            while True:
                total.value = total.value + 1
                assert label.value == b"hello"
                began.set()
        except ClosedError:
            ends.append("closed")

    thread = threading.Thread(target=use)
    thread.start()
    began.wait()
    opened.close()
    thread.join()
    assert ends == ["closed"]


def test_first_use_by_many_threads_takes_one_fd(loaded: Object) -> None:
    before = len(fds())
    began = threading.Barrier(6)
    found: list[int] = []

    def use() -> None:
        began.wait()
        found.append(loaded.maps["counts"].fd)

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(fds()) == before + 1


def test_a_child_can_use_the_map_and_its_close_is_its_own(numbers: HashMap[int, int]) -> None:
    numbers[1] = 1

    def work() -> None:
        assert numbers[1] == 1
        numbers[2] = 2
        numbers.close()

    in_child(work)
    assert dict(numbers) == {1: 1, 2: 2}


def test_a_child_shares_what_is_loaded_and_changes_nothing_of_libbpfs(opened: Object) -> None:
    with pytest.raises(StateError):
        opened.maps["counts"].fd

    def before_load() -> None:
        for use in (
            lambda: opened.variables["step"].value,
            lambda: setattr(opened.variables["step"], "value", 5),
            lambda: setattr(opened.maps["counts"], "max_entries", 5),
            lambda: opened.maps["counts"].fd,
        ):
            with pytest.raises(StateError):
                use()

    in_child(before_load)
    opened.load()
    total = opened.variables["total"]
    assert total.value == 0
    used: Any = opened.maps["counts"]
    used[1] = 1

    def after_load() -> None:
        total.value = 7
        assert used[1] == 1
        # What the parent has not touched yet: it takes no lock of the parent's.
        slots: Any = opened.maps["slots"]
        assert (slots[0], slots.key_size, slots.autocreate, slots.pinned_path) == (0, 4, True, None)
        assert opened.variables["quiet"].value == 8
        assert opened.variables["step"].read_only
        with pytest.raises(StateError):
            slots.max_entries = 5
        opened.close()

    in_child(after_load)
    assert total.value == 7
    assert opened.maps["slots"].fd > 2


def test_a_child_reads_although_a_thread_of_the_parent_had_the_lock(opened: Object) -> None:
    variables = opened.variables
    opened.load()
    opened.btf
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with opened._turn():
            locked.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert locked.wait(10)

        def read() -> None:
            assert variables["total"].value == 0
            assert str(variables["last"].type) == "struct event"
            assert variables["last"].memory().nbytes == variables["last"].size
            with pytest.raises(NotSupportedError):
                variables["quiet"].memory()
            assert "struct event last" in repr(variables["last"])
            assert variables["step"].read_only
            slots: Any = opened.maps["slots"]
            assert slots[7] == 0

        in_child(read)
    finally:
        done.set()
        thread.join()


def test_a_forgotten_map_in_a_child_warns_nobody_and_hurts_nobody(numbers: HashMap[int, int]) -> None:
    holder = [HashMap.create(key_size=4, value_size=4, max_entries=1)]

    def work() -> None:
        holder.clear()
        gc.collect()

    in_child(work)
    holder[0][b"key1"] = b"1234"
    holder[0].close()


def test_closing_in_any_order_leaves_nothing(bpf_object: Callable[[str], Path]) -> None:
    before = fds()
    obj = Object.open(bpf_object("maps"))
    for name in NEWER:
        obj.maps[name].autocreate = False
    obj.load()
    total = obj.variables["total"]
    counts, bss = obj.maps["counts"], obj.maps[".bss"]
    total.value = 1
    assert counts.fd
    assert bss.fd
    bss.close()
    with pytest.raises(ClosedError):
        total.value
    run(obj)
    obj.close()
    counts.close()
    obj.close()
    del total, counts, bss, obj
    gc.collect()
    assert fds() == before


def test_objects_of_maps_that_nobody_closes_are_freed_as_a_whole(bpf_object: Callable[[str], Path]) -> None:
    before = fds()
    obj = Object.open(bpf_object("spine"))
    obj.load()
    map, variable = obj.maps[".bss"], obj.variables["updated_runs"]
    assert map.fd
    assert variable.value == 0
    memory = variable.memory()
    alive = weakref.ref(obj)
    # Where no cycle holds them, the last reference does.
    with pytest.warns(ResourceWarning, match="not closed"):  # noqa: PT031
        del obj, map, variable
        gc.collect()
    assert alive() is None
    assert memory.cast("Q")[0] == 0
    del memory
    with ArrayMap.create(value_size=4, max_entries=1):
        pass  # the next call frees what finalizers left
    gc.collect()
    assert fds() == before


def test_many_maps_leave_no_fd() -> None:
    before = fds()
    for _ in range(50):
        with HashMap.create(key_size=4, value_size=4, max_entries=1) as map:
            map[b"key1"] = b"1234"
            list(map)
            with HashMap.from_fd(map.fd) as same:
                assert len(same) == 1
    assert fds() == before


class AlarmError(Exception):
    """What a signal handler raises."""


def test_an_exception_from_a_signal_handler_loses_no_borrow(numbers: HashMap[int, int]) -> None:
    numbers[1] = 5

    def ring(*_: object) -> None:
        raise AlarmError

    def read_until_it_rings() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        while True:
            assert numbers[1] == 5

    previous = signal.signal(signal.SIGALRM, ring)
    gc.disable()  # an exception in a callback of the collector, hypothesis' for instance, would be swallowed
    try:
        for _ in range(100):
            with pytest.raises(AlarmError):
                read_until_it_rings()
    finally:
        gc.enable()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert numbers[1] == 5
    handle: Any = numbers._fd
    assert handle._borrows == []


def test_a_process_that_exits_with_everything_open_is_quiet(bpf_object: Callable[[str], Path]) -> None:
    program = f"""
import pylibbpf as bpf
from pylibbpf.maps import HashMap
obj = bpf.Object.open({str(bpf_object("spine"))!r})
obj.load()
bss = obj.maps[".bss"]
assert bss.fd
obj.variables["updated_runs"].value = 1
memory = obj.variables["updated_runs"].memory()
map = HashMap.create(key_size=4, value_size=4, max_entries=1)
iterator = iter(map.items())
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
