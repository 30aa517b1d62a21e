# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Filters of traffic control on the loopback interface, through netlink."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import TcAttachPoint
from pylibbpf.link import Link, TcFilter, TcFilterInfo, attach_tc, query_tc
from pylibbpf.programs import SchedCls
from tests.link.harness import Subject
from tests.link.packets import OnDatagrams, loaded
from tests.link.places import Datagrams

Find = Callable[[str], Path]

pytestmark = pytest.mark.needs("libbpf_1_3")

# TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) of include/uapi/linux/pkt_sched.h
CLSACT_INGRESS = 0xFFFFFFF2
EGRESS = TcAttachPoint.EGRESS


@pytest.mark.needs("clsact")
class TestTc(OnDatagrams):
    program, replacement, kind, link_class = "classifier", "other_classifier", SchedCls, TcFilter

    def attach(self, program: Any, where: Any) -> Link:
        return where.namespace.run(lambda: attach_tc(program, "lo", legacy=True))  # type: ignore[no-any-return]

    def close(self, link: Link, where: Any) -> None:
        where.namespace.run(link.close)

    def test_update_puts_in_another_program(self, subject: Subject, where: Any) -> None:
        link = self.attached(subject, where)
        where.namespace.run(lambda: link.update(subject.replacement))
        assert self.fires(subject, where, link, "other_classifier")
        assert not self.fires(subject, where, link)
        self.close(link, where)
        assert not self.fires(subject, where, link, "other_classifier")

    def test_it_says_that_it_is_no_link(self, subject: Subject, where: Any, bpffs: Path) -> None:
        link = self.attached(subject, where)
        for use in (lambda: link.id, link.info, link.fileno, lambda: link.pin(bpffs / "link")):
            with pytest.raises(bpf.NotSupportedError, match="attach_tcx makes one"):
                use()
        assert not link.is_bpf_link
        self.close(link, where)


@pytest.fixture
def packets(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.open(bpf_object("packets")) as obj:
        yield obj


@pytest.mark.needs("clsact")
@pytest.mark.parametrize("point", [TcAttachPoint.INGRESS, TcAttachPoint.EGRESS])
def test_it_drops_until_it_is_closed(packets: bpf.Object, datagrams: Datagrams, point: TcAttachPoint) -> None:
    (program,) = loaded(packets, "classifier")
    packets.variables["port"].value = datagrams.port
    packets.variables["drops"].value = 1
    link = datagrams.namespace.run(
        lambda: program.attach("lo", attach_point=point, handle=7, priority=3, legacy=True)
    )
    assert (link.handle, link.priority) == (7, 3)
    assert not datagrams.send()
    datagrams.namespace.run(link.close)
    assert datagrams.send()


@pytest.mark.needs("clsact")
def test_a_qdisc_can_be_named_by_its_number(packets: bpf.Object, datagrams: Datagrams) -> None:
    first, second = loaded(packets, "classifier", "other_classifier")
    run = datagrams.namespace.run
    packets.variables["port"].value = datagrams.port
    place = {"attach_point": TcAttachPoint.CUSTOM, "parent": CLSACT_INGRESS}
    link = run(lambda: first.attach("lo", legacy=True))  # adds the qdisc
    other = run(lambda: second.attach("lo", **place, priority=1, legacy=True))
    datagrams.send()
    assert packets.variables["other_classifier_runs"].value == 1
    run(other.close)
    run(link.close)


@pytest.mark.needs("clsact")
def test_query_tells_the_program_of_a_filter(packets: bpf.Object, datagrams: Datagrams) -> None:
    (program,) = loaded(packets, "classifier")
    run = datagrams.namespace.run
    with pytest.raises(bpf.NotFoundError, match="There is no filter 0x7 of priority 3 there"):
        run(lambda: query_tc("lo", handle=7, priority=3))
    link = run(lambda: attach_tc(program, "lo", handle=7, priority=3, legacy=True))
    assert run(lambda: query_tc("lo", handle=7, priority=3)) == TcFilterInfo(7, 3, program.id)
    for arguments in ({"handle": 8, "priority": 3}, {"handle": 7, "priority": 3, "attach_point": EGRESS}):
        with pytest.raises(bpf.NotFoundError, match="There is no filter"):
            run(lambda arguments=arguments: query_tc("lo", **arguments))  # type: ignore[misc]
    run(link.close)
    with pytest.raises(bpf.NotFoundError, match="There is no filter"):
        run(lambda: query_tc("lo", handle=7, priority=3))
    with pytest.raises(ValueError, match="not 0"):
        query_tc("lo", handle=0, priority=1)


@pytest.mark.needs("clsact")
def test_a_place_that_is_taken_is_refused(packets: bpf.Object, datagrams: Datagrams) -> None:
    (program,) = loaded(packets, "classifier")

    def attach() -> TcFilter:
        return attach_tc(program, "lo", handle=1, priority=1, legacy=True)

    link = datagrams.namespace.run(attach)
    with pytest.raises(bpf.ExistsError, match="a filter with this handle and priority"):
        datagrams.namespace.run(attach)
    datagrams.namespace.run(link.close)
    datagrams.namespace.run(datagrams.namespace.run(attach).close)


@pytest.mark.needs("clsact")
def test_a_filter_that_somebody_else_took_away_closes_without_a_word(
    packets: bpf.Object, datagrams: Datagrams
) -> None:
    first, second = loaded(packets, "classifier", "other_classifier")
    run = datagrams.namespace.run
    link = run(lambda: attach_tc(first, "lo", handle=1, priority=1, legacy=True))
    with run(lambda: link._handle) as attachment:
        assert run(attachment.detach) == 0
        assert run(attachment.detach) == -errno.ENOENT
    # What stands in its place now is another's, and stays.
    packets.variables["port"].value = datagrams.port
    other = run(lambda: attach_tc(second, "lo", handle=1, priority=1, legacy=True))
    run(link.close)
    datagrams.send()
    assert packets.variables["other_classifier_runs"].value == 1
    run(other.close)


def test_what_cannot_be_is_refused_before_the_kernel_sees_it(packets: bpf.Object) -> None:
    (program,) = loaded(packets, "classifier")
    with pytest.raises(bpf.NotSupportedError, match=r"attach_tcx makes a link.*6\.6.*legacy=True a filter"):
        attach_tc(program, "lo")
    for arguments in (
        {"attach_point": TcAttachPoint.CUSTOM},
        {"parent": 0x10000},
        {"priority": 1 << 16},
        {"handle": -1},
        {"attach_point": 9},
    ):
        with pytest.raises(ValueError, match=r"parent|bits|valid"):
            attach_tc(program, "lo", legacy=True, **arguments)
    with pytest.raises(bpf.NotFoundError, match="no interface of that name"):
        attach_tc(program, "nonesuch0", legacy=True)
    with pytest.raises(bpf.NotFoundError, match="no interface with index 0"):
        attach_tc(program, 0, legacy=True)
    for index in (-1, 1 << 31, 1 << 40):
        with pytest.raises(ValueError, match="index of an interface is a number of 31 bits"):
            attach_tc(program, index, legacy=True)
