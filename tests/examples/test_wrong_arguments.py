# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Numbers that no process, port or frequency has: an example says so, and gives no traceback."""

from __future__ import annotations

import pytest

from tests.examples.running import assert_advises, run, running

pytestmark = [
    pytest.mark.needs("root", "vmlinux_btf"),
    pytest.mark.host("the same on every kernel"),
]

TOO_LARGE = 99_999_999_999


@pytest.mark.parametrize(
    ("name", "arguments", "advice"),
    [
        ("asyncio_service", ["--port", 65536], "port must be 0-65535"),
        ("cpu_profile", ["--pid", -1], "pid must be from 0"),
        ("fentry_filename_lookup", ["--pid", TOO_LARGE], "does not fit pid_t"),
        ("fexit_filename_lookup", ["--pid", TOO_LARGE], "does not fit pid_t"),
        ("function_latency", ["vfs_read", "--pid", TOO_LARGE], "does not fit pid_t"),
        ("kprobe_stacks", ["vfs_read", "--pid", TOO_LARGE], "does not fit pid_t"),
        ("name_lookups", ["--pid", -5], "pid must be from 0"),
        ("open_files", ["--pid", TOO_LARGE], "does not fit pid_t"),
        ("process_events", ["--parent", TOO_LARGE], "does not fit pid_t"),
        ("prometheus_exporter", ["--port", 65536], "port must be 0-65535"),
        ("slow_syscalls", ["--minimum", -1], "does not fit __u64"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_number_out_of_range_is_a_message(name: str, arguments: list[object], advice: str) -> None:
    assert_advises(run(name, *arguments), name, advice)


@pytest.mark.parametrize(
    ("name", "arguments", "advice"),
    [
        ("cpu_profile", ["--frequency", 0], "--frequency takes 1 or more"),
        ("tcp_congestion", ["--try", -1], "--try takes 1 byte or more"),
        ("usdt_orders", ["pears=1000001"], "invalid order value: 'pears=1000001'"),
        ("netfilter_drop", ["7000", "--hook", "NOSUCH"], "invalid choice: 'NOSUCH'"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_what_makes_no_sense_is_refused_with_the_usage(
    name: str, arguments: list[object], advice: str
) -> None:
    done = run(name, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: {name}.py ")
    assert advice in done.stderr


def test_a_process_that_is_not_there_has_no_files_and_that_is_said() -> None:
    done = run("open_files", "--pid", 99_999_999)
    assert done.returncode == 0
    assert done.stderr == "open_files: there is no process 99999999, or it has no open files\n"


@pytest.mark.kernel("6.1", "user ring buffers")
def test_a_command_about_no_process_leaves_the_next_ones_to_work() -> None:
    with running("user_ring_commands") as process:
        printed, errors = process.communicate(f"watch {TOO_LARGE}\nwatch 1\n")
    assert (process.returncode, errors) == (0, "")
    assert printed.splitlines()[1:] == [f"not a process: {TOO_LARGE}", "1 command obeyed"]
