# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Random use of the whole library, from up to four threads. Run by test_stateful.py in a process of its own.

Some steps run short of something: with no fd left, without any capability, or, in a forked child, with next
to no memory. Each step is written to a file before it is taken, so that a crash names its last step.
Whatever the order, a step may raise the exceptions that the library documents, and nothing else.
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

import pylibbpf as bpf
from pylibbpf import _native
from tests.hardening.capabilities import set_effective

OBJECTS = Path(__file__).resolve().parents[1] / "bpf"
NAMES = ("spine", "ring", "maps")
# What a step may raise: the library's own, and what Python's protocols ask for.
EXPECTED = (bpf.Error, KeyError, ValueError, TypeError)

# A process without memory cannot import what is imported on first use (Python's mmap is a shared object).
for name in bpf.__all__:
    getattr(bpf, name)

warnings.simplefilter("ignore")

pick = st.integers(min_value=0, max_value=1 << 16)


def open_fds() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    return found


class Machine(RuleBasedStateMachine):
    log: Any
    directory: Path

    def __init__(self) -> None:
        super().__init__()
        self.before = open_fds()
        self.things: list[Any] = []
        self.pins = 0
        self.note("start")

    def note(self, step: str) -> None:
        self.log.write(step + "\n")
        self.log.flush()

    # --- steps, each a function of some random numbers --------------------------------------

    def choose(self, number: int, *kinds: type) -> Any:
        fitting = [thing for thing in list(self.things) if isinstance(thing, kinds or (object,))]
        return fitting[number % len(fitting)] if fitting else None

    def open(self, a: int, b: int) -> None:
        obj = bpf.Object.open(OBJECTS / f"{NAMES[a % len(NAMES)]}.bpf.o")
        self.things.append(obj)
        self.things.extend(obj.programs.values())
        self.things.extend(obj.maps.values())

    def load(self, a: int, b: int) -> None:
        if obj := self.choose(a, bpf.Object):
            obj.load()

    def prepare(self, a: int, b: int) -> None:
        if obj := self.choose(a, bpf.Object):
            obj.prepare()

    def attach_all(self, a: int, b: int) -> None:
        if obj := self.choose(a, bpf.Object):
            self.things.extend(obj.attach())

    def attach(self, a: int, b: int) -> None:
        program = self.choose(a, bpf.Program)
        if hasattr(program, "attach"):
            self.things.append(program.attach())

    def take_link(self, a: int, b: int) -> None:
        program, link = self.choose(a, bpf.Program), self.choose(b, bpf.Link)
        if program and link:
            program.take_link(link)

    def detach_link(self, a: int, b: int) -> None:
        program, link = self.choose(a, bpf.Program), self.choose(b, bpf.Link)
        if program and link:
            program.detach(link)

    def pin(self, a: int, b: int) -> None:
        if thing := self.choose(a, bpf.Link, bpf.Program, bpf.Map):
            self.pins += 1
            path = self.directory / f"pin{self.pins}"
            thing.pin(path)
            if isinstance(thing, bpf.Link):
                self.things.append(bpf.link.load_pinned(path))
            elif isinstance(thing, bpf.Program):
                self.things.append(bpf.Program.from_pin(path))

    def unpin(self, a: int, b: int) -> None:
        if thing := self.choose(a, bpf.Link, bpf.Program, bpf.Map):
            thing.unpin()

    def info(self, a: int, b: int) -> None:
        if thing := self.choose(a, bpf.Link, bpf.Program, bpf.Map):
            thing.info()
            os.fstat(thing.fileno())

    def update(self, a: int, b: int) -> None:
        link, program = self.choose(a, bpf.Link), self.choose(b, bpf.Program)
        if link and program:
            link.update(program)

    def detach(self, a: int, b: int) -> None:
        if link := self.choose(a, bpf.Link):
            link.detach()

    def read_iterator(self, a: int, b: int) -> None:
        if link := self.choose(a, bpf.link.IterLink):
            with link.open() as file:
                file.read(100)

    def use_map(self, a: int, b: int) -> None:
        map = self.choose(a, bpf.maps.HashMap, bpf.maps.ArrayMap)
        if map is not None:
            list(zip(map.items(), range(5)))  # noqa: B905 - as far as there are any

    def use_variable(self, a: int, b: int) -> None:
        obj = self.choose(a, bpf.Object)
        if obj and obj.variables:
            variable = list(obj.variables.values())[b % len(obj.variables)]
            variable.value = variable.value

    def open_ring(self, a: int, b: int) -> None:
        if map := self.choose(a, bpf.maps.RingBufMap):
            self.things.append(bpf.RingBuffer(map))

    def poll_ring(self, a: int, b: int) -> None:
        if ring := self.choose(a, bpf.RingBuffer):
            ring.poll(0)

    def lease(self, a: int, b: int) -> None:
        if ring := self.choose(a, bpf.RingBuffer):
            with ring.lease(timeout=0) as lease:
                lease.commit()

    def create_map(self, a: int, b: int) -> None:
        kind = (bpf.MapType.HASH, bpf.MapType.ARRAY, bpf.MapType.LRU_HASH, bpf.MapType.PERCPU_ARRAY)[a % 4]
        self.things.append(bpf.Map.create(kind, key_size=4, value_size=8, max_entries=1 + b % 16))

    def write_map(self, a: int, b: int) -> None:
        map = self.choose(a, bpf.maps.HashMap, bpf.maps.ArrayMap)
        if map is not None:
            map.put_bytes(bytes(map.key_size), bytes(map.value_size))

    def open_by_id(self, a: int, b: int) -> None:
        thing = self.choose(a, bpf.Program, bpf.Map)
        if thing is not None:
            self.things.append(type(thing).from_id(thing.info().id))

    def open_types(self, a: int, b: int) -> None:
        btf = bpf.Btf.from_elf(OBJECTS / f"{NAMES[a % len(NAMES)]}.bpf.o")
        self.things.append(btf)
        btf.c_dump(1 + b % len(btf))

    def test_run(self, a: int, b: int) -> None:
        program = self.choose(a, bpf.Program)
        if hasattr(program, "test_run"):
            program.test_run(data=bytes(64))

    # --- steps short of something -----------------------------------------------------------

    def without_fds(self, a: int, b: int) -> None:
        with fewer_fds(b % 4):
            attempt(self.usual_step(a), a, b)

    def without_rights(self, a: int, b: int) -> None:
        """Capabilities are a thread's, so the other threads keep theirs."""
        set_effective(())
        try:
            attempt(self.usual_step(a), a, b)
        finally:
            set_effective(None)

    def without_memory(self, a: int, b: int) -> None:
        pid = os.fork()
        if not pid:
            status = 0
            try:
                # Another thread's step may have lowered it for a while: `fewer_fds`.
                hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                self.things.clear()
                attempt(self.open, a, b)
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + b * 32, resource.RLIM_INFINITY))
                for step in (
                    self.open,
                    self.load,
                    self.attach_all,
                    self.open_ring,
                    self.poll_ring,
                    self.close,
                ):
                    attempt(step, a, b)
            except MemoryError:
                pass
            except BaseException:
                status = 1
                traceback.print_exc()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the child without memory failed"

    def usual_step(self, number: int) -> Callable[[int, int], None]:
        step: Callable[..., None] = self.USUAL[number % len(self.USUAL)]
        return step.__get__(self)  # type: ignore[no-any-return]

    # --- the end of things ------------------------------------------------------------------

    def close(self, a: int, b: int) -> None:
        if thing := self.choose(a):
            thing.close()

    def drop(self, a: int, b: int) -> None:
        if self.things:
            del self.things[a % len(self.things)]

    def collect(self, a: int, b: int) -> None:
        gc.collect()

    def fork(self, a: int, b: int) -> None:
        pid = os.fork()
        if not pid:
            # The child uses and closes what it got, and must come to an end by itself.
            status = 0
            try:
                for step in (self.info, self.load, self.use_map, self.poll_ring, self.close, self.collect):
                    attempt(step, a, b)
                for thing in self.things:
                    thing.close()
            except BaseException:
                status = 1
                traceback.print_exc()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the forked child failed"

    USUAL = (
        *(open, load, prepare, attach_all, attach, take_link, detach_link, pin, unpin, info, update, detach),
        *(read_iterator, use_map, use_variable, open_ring, poll_ring, close, drop, collect),
        *(lease, create_map, write_map, open_by_id, open_types, test_run),
    )
    STEPS = (*USUAL, fork, without_fds, without_rights, without_memory)

    # --- rules ------------------------------------------------------------------------------

    @rule(a=pick, b=pick)
    def open_and_load(self, a: int, b: int) -> None:
        self.note(f"open_and_load {a} {b}")
        attempt(self.open, a, b)
        attempt(self.load, -1, b)

    @rule(step=st.sampled_from(STEPS), a=pick, b=pick)
    def one_step(self, step: Callable[..., None], a: int, b: int) -> None:
        self.note(f"{step.__name__} {a} {b}")
        attempt(step.__get__(self), a, b)

    @precondition(lambda self: len(self.things) > 2)
    @rule(steps=st.lists(st.tuples(st.sampled_from(STEPS), pick, pick), min_size=2, max_size=4))
    def steps_at_once(self, steps: list[tuple[Callable[..., None], int, int]]) -> None:
        self.note("at once: " + ", ".join(f"{step.__name__} {a} {b}" for step, a, b in steps))
        start = threading.Barrier(len(steps))
        failures: list[BaseException] = []

        def run(step: Callable[..., None], a: int, b: int) -> None:
            start.wait()
            try:
                attempt(step.__get__(self), a, b)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=arguments) for arguments in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def teardown(self) -> None:
        self.note("end")
        while self.things:
            self.things.pop().close()
        # What a queued handle keeps alive is found by the next collection only.
        for _ in range(3):
            gc.collect()
            _native.collect()
        for path in self.directory.iterdir():
            path.unlink()
        leaked = {fd: target for fd, target in open_fds().items() if self.before.get(fd) != target}
        assert not leaked, f"leaked {leaked}"


# How often each step did what it was for.
done: Counter[str] = Counter()


def attempt(step: Callable[[int, int], None], a: int, b: int) -> None:
    try:
        step(a, b)
        done[step.__name__] += 1
    except EXPECTED:
        pass
    except OSError as error:
        # A pin path that another thread took away, an fd that was closed between two steps, no fds left.
        if error.errno not in (errno.ENOENT, errno.EBADF, errno.EMFILE):
            raise


_limiting = threading.Lock()


@contextmanager
def fewer_fds(more: int) -> Iterator[None]:
    """Lets the process open so many fds more and then none, as long as this lasts: EMFILE."""
    with _limiting:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir("/proc/self/fd")))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + more, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def main(log: str, directory: str, examples: str, steps: str) -> None:
    with open(log, "w") as file:
        Machine.log = file
        Machine.directory = Path(directory)
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=int(examples),
                stateful_step_count=int(steps),
                deadline=None,
                database=None,
                derandomize="CI" in os.environ,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(dict(done))
    never = {step.__name__ for step in Machine.STEPS} - set(done)
    assert not never, f"never succeeded: {never}"


if __name__ == "__main__":
    main(*sys.argv[1:])
