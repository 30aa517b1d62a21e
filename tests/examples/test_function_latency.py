# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/function_latency.py: a histogram of how long a kernel function takes."""

from __future__ import annotations

import ctypes
import os

import pytest

from tests import requirements
from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "prepare")


@pytest.mark.needs("fentry")
def test_it_measures_the_calls_of_a_process() -> None:
    with running("function_latency", "hrtimer_nanosleep", "--pid", os.getpid()) as process:
        line_with(process, "measuring hrtimer_nanosleep")
        for _ in range(3):
            ctypes.CDLL(None).usleep(40000)
        header, *histogram, summary = interrupt(process).splitlines()
    assert header.split() == ["NANOSECONDS", "CALLS"]
    counts = {int(line.split()[0]): int(line.split()[3]) for line in histogram}
    assert sum(counts.values()) == 3
    # The last power of two before 40 ms.
    assert min(counts) >= 1 << 25
    name, calls, _, mean, *_ = summary.split()
    assert (name, calls) == ("hrtimer_nanosleep:", "3")
    assert float(mean) >= 40000


def test_a_function_that_the_kernel_does_not_have_is_named() -> None:
    assert_advises(run("function_latency", "hrtimer_nanosle"), "function_latency", "'hrtimer_nanosle'")


@pytest.mark.host("needs no particular kernel")
def test_without_rights_or_trampolines_it_says_what_it_needs() -> None:
    done = run("function_latency", "vfs_read", preexec=give_up_rights)
    assert_advises(done, "function_latency", "It needs root")
    if not requirements.fentry():
        assert_advises(run("function_latency", "vfs_read"), "function_latency", "BPF trampolines")
