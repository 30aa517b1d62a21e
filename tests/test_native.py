# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The rules that keep the library from crashing, hanging and leaking."""

from __future__ import annotations

import errno
import gc
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf import _native
from pylibbpf._native import Handle, lib

ROOT = Path(__file__).resolve().parent.parent
FORMAT = 4001  # LIBBPF_ERRNO__FORMAT


class Resource:
    """Something to free, which counts how often that happened."""

    def __init__(self) -> None:
        self.freed = 0

    def free(self, value: object) -> None:
        assert value is self
        self.freed += 1

    def handle(self) -> Handle:
        return Handle(self, self.free, what="resource")


# --- borrowed handles ---------------------------------------------------------------


def test_close_frees_what_nobody_borrows() -> None:
    resource = Resource()
    handle = resource.handle()
    handle.close()
    assert resource.freed == 1
    handle.close()
    assert resource.freed == 1


def test_the_last_borrower_frees_what_was_closed_meanwhile() -> None:
    resource = Resource()
    handle = resource.handle()
    with handle as value:
        with handle:
            handle.close()
            assert value is resource
            assert handle.closed
        assert resource.freed == 0
    assert resource.freed == 1


def test_a_closed_handle_lends_nothing() -> None:
    handle = Resource().handle()
    handle.close()
    with pytest.raises(bpf.ClosedError, match="this resource is closed"), handle:
        pass


def test_close_does_not_wait_for_a_borrower_in_another_thread() -> None:
    resource = Resource()
    handle = resource.handle()
    borrowed, done = threading.Event(), threading.Event()

    def borrow() -> None:
        with handle:
            borrowed.set()
            done.wait()

    thread = threading.Thread(target=borrow)
    thread.start()
    borrowed.wait()
    handle.close()
    assert resource.freed == 0
    done.set()
    thread.join()
    assert resource.freed == 1


def test_threads_that_borrow_and_close_free_exactly_once() -> None:
    for _ in range(200):
        resource = Resource()
        handle = resource.handle()
        start = threading.Barrier(4)

        def borrow(handle: Handle = handle, start: threading.Barrier = start) -> None:
            start.wait()
            try:
                for _ in range(50):
                    with handle as value:
                        assert value.freed == 0
            except bpf.ClosedError:
                pass

        def close(handle: Handle = handle, start: threading.Barrier = start) -> None:
            start.wait()
            handle.close()

        threads = [threading.Thread(target=target) for target in (borrow, borrow, close, close)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert resource.freed == 1


def test_a_closed_fd_number_is_never_used_again() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    handle = Handle(read_end, os.close)
    handle.close()
    reused = os.open("/dev/null", os.O_RDONLY)
    assert reused == read_end
    handle.close()
    with pytest.raises(bpf.ClosedError), handle:
        pass
    os.fstat(reused)
    os.close(reused)


def test_take_gives_the_value_away() -> None:
    resource = Resource()
    handle = resource.handle()
    assert handle.take() is resource
    assert handle.closed
    handle.close()
    assert resource.freed == 0


# --- finalizers ---------------------------------------------------------------------


def test_a_finalizer_frees_nothing_itself_and_the_next_call_does() -> None:
    resource = Resource()
    handle = resource.handle()
    del handle
    gc.collect()
    assert resource.freed == 0
    with pytest.raises(bpf.NotFoundError):
        _native.call(lib.call_bpf_link__open, b"/nonexistent", operation="open link")
    assert resource.freed == 1


def test_a_finalizer_inside_a_locked_section_does_not_deadlock() -> None:
    # A collection may start anywhere, also while this thread holds every lock that it can hold.
    resource = Resource()

    class Cycle:
        def __init__(self) -> None:
            self.me = self
            self.handle = resource.handle()

    other = Resource().handle()
    with other:
        Cycle()
        gc.collect()
    other.close()
    _native.collect()
    assert resource.freed == 1


def test_a_borrow_that_an_interrupt_cut_off_delays_the_free_until_collection() -> None:
    resource = Resource()
    handle = resource.handle()
    handle.hold()  # whoever held it is gone
    handle.close()
    assert resource.freed == 0
    del handle
    gc.collect()
    _native.collect()
    assert resource.freed == 1


# --- forks --------------------------------------------------------------------------


def in_child(check: str) -> str:
    """Runs a Python program that forks; the child's output. A process of its own: pytest has threads."""
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_forked_child_closes_fds_and_frees_no_pointer() -> None:
    out = in_child("""
import os
from pylibbpf._native import Handle
freed, closed = [], []
read_end, write_end = os.pipe()
pointer = Handle("pointer", freed.append, fds=lambda value: [write_end])
fd = Handle(read_end, os.close)
pid = os.fork()
if not pid:
    assert pointer.forked
    pointer.close(); fd.close()
    assert freed == []
    for number in (read_end, write_end):
        try:
            os.fstat(number)
            os._exit(1)
        except OSError:
            pass
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
os.fstat(read_end), os.fstat(write_end)
pointer.close(); fd.close()
print(freed)
os.close(write_end)
""")
    assert out == "['pointer']\n"


def test_a_forked_child_may_not_use_what_belongs_to_the_parent() -> None:
    out = in_child("""
import os
import pylibbpf
from pylibbpf._native import Handle
handle = Handle("pointer", print, what="object 'x'")
if not os.fork():
    try:
        handle.require_own_process()
    except pylibbpf.StateError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
handle.require_own_process()
handle.take()
""")
    assert "object 'x' belongs to the process that opened it" in out


# --- nothing of Python runs inside C ---------------------------------------------------


def test_no_c_code_can_call_python() -> None:
    declarations = "".join(path.read_text() for path in (ROOT / "cdef").glob("*.[ch]"))
    assert 'extern "Python' not in declarations
    assert not re.search(r"\bPy[A-Z]\w+\(", (ROOT / "cdef" / "glue.c").read_text())


def test_what_a_call_made_is_freed_when_a_signal_handler_raises_as_it_returns() -> None:
    freed = []

    def function(record: object) -> int:
        record.result = 77  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _native.create(function, free=lambda value: freed.append(int(_native.ffi.cast("intptr_t", value))),
                       fds=lambda value: [], operation="make")  # fmt: skip
    assert freed == [77]


# --- errno --------------------------------------------------------------------------


def test_errno_comes_with_the_result_and_not_from_the_thread() -> None:
    done = _native.invoke(lib.call_bpf_object__open_file, b"/nonexistent", _native.NULL)
    _native.ffi.errno = errno.EPIPE  # what a signal handler between call and read would do
    assert done.errno == errno.ENOENT


def test_errno_survives_signals_between_call_and_read() -> None:
    again = True

    def handle(*_: object) -> None:
        os.path.exists("/nonexistent/either")
        # Each time anew: on a slow machine a periodic timer is due again before its handler ends.
        if again:
            signal.setitimer(signal.ITIMER_REAL, 0.0005)

    previous = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        for _ in range(300):
            done = _native.invoke(lib.call_bpf_object__open_file, b"/dev/null", _native.NULL)
            assert done.errno == FORMAT
    finally:
        again = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_no_source_reads_ffi_errno() -> None:
    for path in (ROOT / "pylibbpf").rglob("*.py"):
        assert "ffi.errno" not in path.read_text(), path


# --- what libbpf says ------------------------------------------------------------------


def test_libbpfs_words_are_on_the_exception() -> None:
    with pytest.raises(bpf.NotFoundError) as caught:
        bpf.Object.open("/nonexistent.bpf.o")
    assert any("failed to open /nonexistent.bpf.o" in message for message in caught.value.messages)
    assert "failed to open" in str(caught.value)


def test_libbpfs_words_go_to_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="pylibbpf"), pytest.raises(bpf.NotFoundError):
        bpf.Object.open("/nonexistent.bpf.o")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.records[0].name == "pylibbpf"


def test_debug_lines_are_collected_for_who_listens_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="pylibbpf"), pytest.raises(bpf.FormatError):
        bpf.Object.open(b"no ELF")
    assert any(record.levelname == "DEBUG" for record in caplog.records)


@pytest.mark.parametrize("imports", ["", "import logging", "import logging; logging.basicConfig(level=60)"])
def test_nothing_is_printed(imports: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"""
{imports}
import pylibbpf as bpf
try:
    bpf.Object.open("/nonexistent.bpf.o")
except bpf.NotFoundError:
    pass
bpf.lib.bpf_object__open_file(b"/nonexistent.bpf.o", bpf.ffi.NULL)
"""],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")


# --- errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind", "builtin"),
    [
        (errno.ENOENT, bpf.NotFoundError, FileNotFoundError),
        (errno.EEXIST, bpf.ExistsError, FileExistsError),
        (errno.EPERM, bpf.PermissionDeniedError, PermissionError),
        (errno.EACCES, bpf.PermissionDeniedError, PermissionError),
        (524, bpf.NotSupportedError, OSError),
        (4001, bpf.FormatError, ValueError),
        (errno.EBUSY, bpf.BpfError, OSError),
    ],
)
def test_an_errno_is_an_exception_of_ours_and_of_python(
    number: int, kind: type[bpf.BpfError], builtin: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        _native.check(-number, "do it to", "'x'")
    error = caught.value
    assert isinstance(error, builtin)
    assert isinstance(error, OSError)
    assert error.errno == number
    assert (error.operation, error.subject) == ("do it to", "'x'")
    assert str(error).startswith("cannot do it to 'x': ")


@pytest.mark.parametrize(
    "error",
    [
        bpf.BpfError(errno.EBUSY, "attach", "'x'", messages=["a", "b"], hint="wait"),
        bpf.NotFoundError(errno.ENOENT, "open"),
        bpf.VerifierError(errno.EACCES, "prog", "; x = 1 @ a.c:1\n0: (95) exit\nR0 !read_ok\n"),
        bpf.NameNotFoundError("map", "evnts", ["events", "other"]),
        bpf.ClosedError("closed"),
        bpf.ProgramTypeError("no"),
    ],
)
def test_exceptions_survive_pickling(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__
    assert getattr(copy, "errno", None) == getattr(error, "errno", None)


def test_a_name_that_is_missing_offers_what_looks_like_it() -> None:
    error = bpf.NameNotFoundError("map", "evnts", ["events", "other"])
    assert isinstance(error, KeyError)
    assert str(error) == "no map is called 'evnts'; did you mean 'events'?"
    assert "there are 'a', 'b'" in str(bpf.NameNotFoundError("map", "zzz", ["a", "b"]))
