# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The end of the interpreter, sub-interpreters, fork and spawn: nothing crashes, hangs or is printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hardening.conftest import Run

pytestmark = [
    pytest.mark.host("child processes, the same on every kernel"),
    pytest.mark.needs("root", "vmlinux_btf"),
]

Find = Callable[[str], Path]

EVERYTHING_OPEN = """
    import sys
    import warnings
    import pylibbpf as bpf

    warnings.simplefilter("ignore")
    obj = bpf.Object.load_file(sys.argv[1])
    links = obj.attach()
    map = bpf.Map.create(bpf.MapType.RINGBUF, max_entries=4096)
    ring = bpf.RingBuffer(map, bytes, print)
    btf = bpf.Btf.vmlinux()
    memory = obj.variables["target_pid"].view
"""


def test_an_exit_with_everything_open(run: Run, bpf_object: Find) -> None:
    assert run(EVERYTHING_OPEN, bpf_object("spine")) == ""


def test_an_exit_with_everything_in_a_cycle(run: Run, bpf_object: Find) -> None:
    cycle = """
    cycle = [obj, links, ring, btf, memory]
    cycle.append(cycle)
    del obj, links, ring, btf, memory
    """
    run(EVERYTHING_OPEN + cycle, bpf_object("spine"))


def test_an_atexit_function_may_use_and_close_what_is_open(run: Run, bpf_object: Find) -> None:
    at_exit = """
    import atexit

    def at_exit():
        ring.poll(0)
        print(obj.programs["raw_tracepoint"].id > 0)
        for thing in (ring, obj, btf, map):
            thing.close()

    atexit.register(at_exit)
    """
    assert run(EVERYTHING_OPEN + at_exit, bpf_object("spine")) == "True\n"


def test_an_exit_by_an_exception(run: Run, bpf_object: Find) -> None:
    run(EVERYTHING_OPEN + "\n    sys.exit(7)\n", bpf_object("spine"), status=7)


@pytest.mark.parametrize("wait", ["ring.poll()", "list(ring)", "ring.read_batch()", "ring.lease()"])
def test_a_daemon_thread_that_waits_for_events(run: Run, bpf_object: Find, wait: str) -> None:
    waiting = f"""
    import threading

    begun = threading.Event()

    def wait():
        begun.set()
        {wait}

    threading.Thread(target=wait, daemon=True).start()
    begun.wait()
    """
    run(EVERYTHING_OPEN + waiting, bpf_object("spine"))


def test_daemon_threads_that_load_and_close_all_the_time(run: Run, bpf_object: Find) -> None:
    run("""
    import sys, threading, time
    import pylibbpf as bpf

    loaded = threading.Semaphore(0)

    def work():
        while True:
            with bpf.Object.load_file(sys.argv[1]) as obj:
                obj.attach()
            loaded.release()

    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(6):
        loaded.acquire()
    """, bpf_object("spine"))  # fmt: skip


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(run: Run, bpf_object: Find, tmp_path: Path, method: str) -> None:
    # spawn imports the main module anew, so it must be a file.
    script = tmp_path / "main.py"
    script.write_text("""\
import multiprocessing
import os
import sys
import pylibbpf as bpf


def load(path):
    map = bpf.Map.create(bpf.MapType.RINGBUF, max_entries=4096)
    with map, bpf.Object.load_file(path) as obj, bpf.RingBuffer(map, bytes, print) as ring:
        obj.attach()
        return ring.poll(0), os.getpid()


def main(path, method):
    context = multiprocessing.get_context(method)
    obj = bpf.Object.load_file(path)
    map = bpf.Map.create(bpf.MapType.RINGBUF, max_entries=4096)
    ring = bpf.RingBuffer(map, bytes, print)
    with context.Pool(2) as pool:
        children = {pid for _, pid in pool.map(load, [path] * 4)}
    assert os.getpid() not in children
    # What the parent has open is as it was.
    ring.poll(0)
    assert obj.programs["raw_tracepoint"].info().id
    ring.close()
    map.close()
    obj.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
""")
    run("import runpy, sys; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
        if method == "fork" else
        "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)",
        script, bpf_object("spine"), method)  # fmt: skip


def test_a_forked_child_that_exits_normally_leaves_the_parent_s_alone(run: Run, bpf_object: Find) -> None:
    forking = """
    import os

    for _ in range(5):
        pid = os.fork()
        if not pid:
            # Finalizers and atexit of the child run with all that the parent has.
            sys.exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    for link in links:
        assert link.info().id
    ring.poll(0)
    """
    run(EVERYTHING_OPEN + forking, bpf_object("spine"))


def test_fork_while_other_threads_are_in_calls(run: Run, bpf_object: Find) -> None:
    run("""
    import os, sys, threading, warnings
    import pylibbpf as bpf

    # Python 3.12 warns of what this tests: fork() beside threads.
    warnings.simplefilter("ignore", DeprecationWarning)
    obj = bpf.Object.load_file(sys.argv[1])
    end = threading.Event()

    def work():
        while not end.is_set():
            with bpf.Object.load_file(sys.argv[1]) as other:
                obj.programs["raw_tracepoint"].info()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        pid = os.fork()
        if not pid:
            # No lock that another thread had in the parent may be waited for.
            with bpf.Object.load_file(sys.argv[1]) as own:
                own.programs["raw_tracepoint"].info()
            obj.close()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    end.set()
    for thread in threads:
        thread.join()
    obj.close()
    """, bpf_object("spine"))  # fmt: skip


def test_a_sub_interpreter_is_refused_in_words_or_works(run: Run, bpf_object: Find) -> None:
    said = run("""
    import sys
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        import _interpreters as interpreters
    import pylibbpf as bpf

    code = (
        "try:\\n"
        "    import pylibbpf as bpf\\n"
        f"    bpf.Object.load_file({sys.argv[1]!r}).close()\\n"
        "    print('it works')\\n"
        "except ImportError as error:\\n"
        "    print('ImportError:', error)\\n"
    )
    made = interpreters.create()
    interpreters.run_string(made, code)
    interpreters.destroy(made)
    bpf.Object.load_file(sys.argv[1]).close()
    """, bpf_object("spine"))  # fmt: skip
    assert said.startswith(("it works", "ImportError: "))
