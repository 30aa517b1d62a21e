# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/usdt_orders.py: what a small program sells, by its static probes."""

from __future__ import annotations

import pytest

from tests.examples.running import assert_advises, give_up_rights, output, run

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "uprobe", "libbpf_1_3")


def test_it_prints_each_order() -> None:
    header, *lines = output("usdt_orders", "pears=2", "figs=-7", "x=1000000")
    assert header.split() == ["ITEM", "QUANTITY", "TOTAL", "TIME", "(us)"]
    # The shop takes as much for an item as its name has letters.
    assert [line.split()[:3] for line in lines] == [
        ["pears", "2", "10"],
        ["figs", "-7", "-28"],
        ["x", "1000000", "1000000"],
    ]
    assert all(float(line.split()[3]) > 0 for line in lines)


@pytest.mark.host("needs no particular kernel")
@pytest.mark.parametrize("order", ["pears", "=3", "a b=3", "pears=x"])
def test_what_is_no_order_is_refused(order: str) -> None:
    done = run("usdt_orders", order)
    assert done.returncode == 2
    assert f"invalid order value: '{order}'" in done.stderr


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("usdt_orders", preexec=give_up_rights), "usdt_orders", "It needs root")
