# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on netfilter hooks, on the way of datagrams over loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import NetfilterFamily, NetfilterHook
from pylibbpf.link import Link, NetfilterLink, attach_netfilter
from pylibbpf.programs import Netfilter
from tests.conftest import eventually
from tests.link.harness import LinkConformance
from tests.link.packets import OnDatagrams, loaded
from tests.link.places import Datagrams

Find = Callable[[str], Path]
OUT: dict[str, Any] = {"family": NetfilterFamily.IPV4, "hook": NetfilterHook.LOCAL_OUT}

pytestmark = pytest.mark.needs("libbpf_1_3")


class TestNetfilter(OnDatagrams, LinkConformance):
    program, kind, link_class = "filter", Netfilter, NetfilterLink
    since = "6.4"
    detachable = True

    def attach(self, program: Any, where: Any) -> Link:
        return where.namespace.run(lambda: attach_netfilter(program, **OUT, priority=-128))  # type: ignore[no-any-return]

    def check(self, info: Any, where: Any) -> None:
        assert (info.pf, info.hooknum, info.priority, info.flags) == (2, 3, -128, 0)


@pytest.fixture
def program(bpf_object: Find, datagrams: Datagrams) -> Iterator[Netfilter]:
    with bpf.Object.open(bpf_object("packets")) as obj:
        (program,) = loaded(obj, "filter")
        obj.variables["port"].value = datagrams.port
        yield program


@pytest.mark.needs("netfilter")
@pytest.mark.parametrize("hook", [NetfilterHook.LOCAL_OUT, NetfilterHook.LOCAL_IN, NetfilterHook.PRE_ROUTING])
def test_it_drops_until_it_is_closed(program: Netfilter, datagrams: Datagrams, hook: NetfilterHook) -> None:
    assert program._object is not None
    program._object.variables["drops"].value = 1
    with datagrams.namespace.run(lambda: program.attach(family=NetfilterFamily.IPV4, hook=hook)):
        assert not datagrams.send()
    eventually(datagrams.send)


@pytest.mark.needs("netfilter")
def test_a_priority_that_is_taken_says_so(program: Netfilter, datagrams: Datagrams) -> None:
    with (
        datagrams.namespace.run(lambda: program.attach(**OUT, priority=5)),
        pytest.raises(bpf.BpfError, match=r"EBUSY.*\n.*take another one"),
    ):
        datagrams.namespace.run(lambda: program.attach(**OUT, priority=5))


@pytest.mark.needs("netfilter")
def test_fragments_can_be_put_together_first(program: Netfilter, datagrams: Datagrams) -> None:
    with pytest.raises(ValueError, match="must be above"):
        program.attach(**OUT, priority=-400, defragment=True)
    try:
        link = datagrams.namespace.run(lambda: program.attach(**OUT, priority=1, defragment=True))
    except bpf.BpfError as error:
        # The kernel may have no module for it.
        assert error.errno  # noqa: PT017
    else:
        assert link.info().flags == 1
        link.close()


@pytest.mark.needs("netfilter")
@pytest.mark.parametrize("priority", [-(1 << 31), (1 << 31) - 1])
def test_a_priority_that_cannot_be_is_refused(program: Netfilter, priority: int) -> None:
    with pytest.raises(ValueError, match="a priority is between"):
        program.attach(**OUT, priority=priority)
    with pytest.raises(ValueError, match="not a valid NetfilterFamily"):
        program.attach(family=1, hook=3)  # type: ignore[arg-type]
