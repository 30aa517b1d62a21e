# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/slow_syscalls.py: a histogram of how long system calls take, and the longest."""

from __future__ import annotations

import os
import signal

import pytest

from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, output, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf")

# Its number on x86-64 and elsewhere: where the C library's headers are missing, names are.
NAMES = ("rt_sigtimedwait", "number 128", "number 137")


def test_it_counts_the_slow_calls_of_a_process() -> None:
    with running("slow_syscalls", "--pid", os.getpid(), "--minimum", 30000, "--top", 1000) as process:
        line_with(process, "measuring")
        for _ in range(3):
            assert signal.sigtimedwait([signal.SIGUSR1], 0.04) is None
        lines = interrupt(process).splitlines()
    header, table = lines.index(""), lines[lines.index("") + 2 :]
    assert lines[0].split() == ["MICROSECONDS", "CALLS"]
    histogram = {int(line.split()[0]): int(line.split()[3]) for line in lines[1:header]}
    # No call was shorter than asked: 2 ** 14 is the last power of two before.
    assert min(histogram) >= 16384
    calls = {line[:20].strip(): line[20:].split() for line in table}
    assert sum(histogram.values()) == sum(int(numbers[0]) for numbers in calls.values())
    count, total_ms, mean_us, longest_us = next(calls[name] for name in NAMES if name in calls)
    assert int(count) == 3
    assert float(longest_us) >= float(mean_us) >= 40000
    assert float(total_ms) == pytest.approx(3 * float(mean_us) / 1000, rel=0.01)


@pytest.mark.host("needs no particular kernel")
def test_it_ends_after_the_time_given() -> None:
    lines = output("slow_syscalls", "--seconds", 0.1, "--top", 3)
    assert len(lines[lines.index("") :]) == 5


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("slow_syscalls", preexec=give_up_rights), "slow_syscalls", "It needs root")
