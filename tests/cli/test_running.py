# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""run, iter and prog profile: commands that run programs, checked against what this process does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf import kernel
from pylibbpf.maps import HashMap
from tests.cli.commands import data, failure, output, run, running
from tests.conftest import ROOT
from tests.link.places import on_one_cpu

pytestmark = [pytest.mark.needs("root", "vmlinux_btf"), pytest.mark.host("a process for each test")]

CALLS = 3


def call() -> None:
    """What the program sees."""
    for _ in range(CALLS):
        os.getpgid(0)


def starting(process: subprocess.Popen[str], lines: int) -> list[str]:
    """Waits until it reads: it says what, a line for each map."""
    assert process.stderr is not None
    return [process.stderr.readline().rstrip("\n") for _ in range(lines)]


def arguments(path: Path, *more: object) -> Iterable[object]:
    return ("run", path, "--set", f"target_pid={os.getpid()}", *more)


def test_events_are_typed_lines_until_ctrl_c(bpf_object: Callable[[str], Path]) -> None:
    with running(*arguments(bpf_object("cli"), "--map", "events")) as process:
        assert starting(process, 1) == ["events: struct event"]
        call()
        process.send_signal(signal.SIGINT)
        written, errors = process.communicate()
    assert process.returncode == 0
    comm = Path("/proc/self/comm").read_text().rstrip("\n")
    assert written.splitlines() == [
        f'pid={os.getpid()} number={number} colour="GREEN" comm={json.dumps(comm)}'
        for number in range(1, CALLS + 1)
    ]
    assert errors == f"events: {CALLS} events\n"


def test_all_rings_and_perf_buffers_are_read_as_json(bpf_object: Callable[[str], Path]) -> None:
    path = bpf_object("cli")
    more = (
        "--map",
        "events",
        "--map",
        "samples:struct event",
        "--set",
        "colour=RED",
        "--json",
        "--count",
        2 * CALLS,
    )
    with running(*arguments(path, *more)) as process:
        assert starting(process, 2) == ["events: struct event", "samples: struct event"]
        # A perf buffer has a ring for each CPU, and no order between them.
        with on_one_cpu():
            call()
        written, errors = process.communicate()
    assert process.returncode == 0
    events = [json.loads(line) for line in written.splitlines()]
    for name in ("events", "samples"):
        own = [each for each in events if each["map"] == name]
        assert [each["event"]["number"] for each in own] == list(range(1, CALLS + 1))
        assert {each["event"]["colour"] for each in own} == {"RED"}
        assert all(("cpu" in each) == (name == "samples") for each in own)
    assert errors == f"events: {CALLS} events\nsamples: {CALLS} events, 0 lost\n"


def test_events_are_written_in_columns_and_runs_counted(bpf_object: Callable[[str], Path]) -> None:
    more = ("--map", "events", "--table", "--count", CALLS, "--stats")
    with running(*arguments(bpf_object("cli"), *more)) as process:
        starting(process, 1)
        call()
        written, errors = process.communicate()
    header, *rows = written.splitlines()
    assert header.split() == ["PID", "NUMBER", "COLOUR", "COMM"]
    assert [row.split()[:3] for row in rows] == [
        [str(os.getpid()), str(number), "GREEN"] for number in range(1, CALLS + 1)
    ]
    assert rows[0].index("GREEN") == header.index("COLOUR")
    assert "cli_on_getpgid: " in errors
    assert int(errors.partition("cli_on_getpgid: ")[2].split()[0]) >= CALLS


def test_sigterm_ends_it_well_and_a_type_is_no_must(bpf_object: Callable[[str], Path]) -> None:
    # Without --map: a type is guessed for `events` alone where there are two.
    with running(*arguments(bpf_object("cli"))) as process:
        assert starting(process, 2) == [
            "events: struct event",
            "samples: records without a type (--map MAP:TYPE gives them one)",
        ]
        call()
        process.send_signal(signal.SIGTERM)
        written, _ = process.communicate()
    assert process.returncode == 0
    lines = written.splitlines()
    assert sum(line.startswith("events pid=") for line in lines) == CALLS
    assert sum(line.startswith("samples cpu=") for line in lines) == CALLS


def test_run_says_what_it_cannot_do(bpf_object: Callable[[str], Path]) -> None:
    path = bpf_object("cli")
    assert "did you mean 'target_pid'" in failure("run", path, "--set", "target_pit=1")
    assert "NAME=VALUE" in failure("run", path, "--set", "target_pid")
    assert "variable target_pid" in failure("run", path, "--set", "target_pid=many")
    assert "did you mean 'cli_pass'" in failure("run", path, "--only", "cli_pas")
    assert "only ring and perf buffers have events" in failure("run", path, "--map", "cli_visits")
    assert "no BTF type is called 'struct nonesuch'" in failure(
        "run", path, "--map", "events:struct nonesuch"
    )
    message = failure("run", path, "--only", "cli_pass")
    assert 'not attached: SEC("xdp") does not say where an Xdp is to run' in message
    assert "no program was attached: `run` attaches what says in its section" in message
    refused = failure("run", bpf_object("rejected"))
    assert "mem access 'map_value_or_null'" in refused
    assert "`pylibbpf check --log FILE`" in refused


def test_run_ends_after_a_while(bpf_object: Callable[[str], Path]) -> None:
    done = run(*arguments(bpf_object("cli"), "--map", "events", "--duration", 0.1))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == "events: 0 events"


@pytest.mark.needs("vmlinux_btf")
def test_run_says_that_there_is_nothing_to_write() -> None:
    done = run("run", ROOT / "examples" / "slow_syscalls.bpf.o", "--duration", 0.1)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("it has no ring or perf buffer, and so no events;")


def test_an_iterator_writes_its_output(bpf_object: Callable[[str], Path]) -> None:
    lines = output("iter", bpf_object("iterators"), "tasks").splitlines()
    assert any(line.split()[0] == str(os.getpid()) for line in lines)


def test_an_iterator_walks_a_map(bpf_object: Callable[[str], Path], loaded: bpf.Object) -> None:
    visits = loaded.map("cli_visits", HashMap)
    for key in (4, 5):
        visits[key] = {"count": key * 2, "where": (0, 0), "colour": 0, "label": b""}
    written = output("iter", bpf_object("cli"), "cli_elements", "--map", visits.info().id)
    assert sorted(written.splitlines()) == ["4 8", "5 10"]


def test_an_iterator_whose_section_names_no_target_is_told_it() -> None:
    path = ROOT / "examples" / "iter_task.bpf.o"
    assert str(os.getpid()) in output("iter", path, "iter_prog", "--target", "task")
    assert "cannot find the attach target 'nonesuch'" in failure(
        "iter", path, "iter_prog", "--target", "nonesuch"
    )


@pytest.mark.kernel("6.1", "iterators over the tasks of one process")
def test_an_iterator_walks_one_process(bpf_object: Callable[[str], Path]) -> None:
    lines = output("iter", bpf_object("iterators"), "tasks", "--pid", os.getpid()).splitlines()
    assert {line.split()[0] for line in lines} == {str(os.getpid())}


def test_only_iterators_are_run_as_such(bpf_object: Callable[[str], Path]) -> None:
    message = failure("iter", bpf_object("cli"), "cli_pass")
    assert "program 'cli_pass' is of class Xdp (SEC \"xdp\"): only iterators can be run like that" in message
    assert "; it has 'cli_elements'" in message
    assert "no program is called 'nonesuch'" in failure("iter", bpf_object("cli"), "nonesuch")


def test_runs_are_counted_and_timed(attached: bpf.Object) -> None:
    program = attached.programs["cli_on_getpgid"]
    with kernel.run_statistics():
        os.getpgid(0)
    # Others may call getpgid() as well, and count runs all the time.
    before = program.stats()
    assert before.run_count > 0
    with running("prog", "profile", program.id, "--json") as process:
        assert starting(process, 1) == ["Counting until Ctrl-C"]
        for _ in range(100):
            os.getpgid(0)
        process.send_signal(signal.SIGINT)
        written, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    profile = json.loads(written)
    (profiled,) = profile["programs"]
    assert profiled["name"] == "cli_on_getpgid"
    after = program.stats()
    assert 100 <= profiled["run_count"] <= after.run_count - before.run_count
    assert 0 < profiled["run_time_ns"] <= after.run_time_ns - before.run_time_ns
    assert profile["seconds"] > 0


def test_a_profile_ends_after_a_while(attached: bpf.Object) -> None:
    program = attached.programs["cli_on_getpgid"]
    table = output("prog", "profile", program.id, "--duration", 0.05)
    assert table.splitlines()[0].split()[:4] == ["ID", "TYPE", "NAME", "RUNS"]
    assert str(program.id) in table
    assert data("prog", "profile", program.id, "--duration", 0.01)["programs"][0]["id"] == program.id
