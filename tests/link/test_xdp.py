# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""XDP on the loopback interface, by link and through netlink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import AttachType, XdpMode
from pylibbpf.link import AttachedProgram, Link, XdpLink, attach_xdp, query
from pylibbpf.programs import Xdp
from tests.conftest import eventually
from tests.link.harness import LinkConformance, Subject
from tests.link.packets import LOOPBACK, OnDatagrams, loaded
from tests.link.places import Datagrams

Find = Callable[[str], Path]


def is_free(datagrams: Datagrams) -> bool:
    """Whether the interface has no XDP program."""
    return datagrams.namespace.run(lambda: query("lo", AttachType.XDP)).programs == ()


@pytest.fixture(autouse=True)
def free_interface(datagrams: Datagrams) -> None:
    """Waits for what the test before attached: an interface takes one program."""
    eventually(lambda: is_free(datagrams))


class _Xdp(OnDatagrams):
    program, replacement, kind, link_class = "xdp", "other_xdp", Xdp, XdpLink
    legacy = False

    def attach(self, program: Any, where: Any) -> Link:
        return where.namespace.run(lambda: attach_xdp(program, "lo", legacy=self.legacy))  # type: ignore[no-any-return]


class TestXdp(_Xdp, LinkConformance):
    since = "5.9"
    updatable = detachable = True

    def check(self, info: Any, where: Any) -> None:
        assert info.ifindex == LOOPBACK


class TestXdpThroughNetlink(_Xdp):
    legacy = True

    def close(self, link: Link, where: Any) -> None:
        where.namespace.run(link.close)

    def test_update_puts_in_another_program(self, subject: Subject, where: Any) -> None:
        link = self.attached(subject, where)
        where.namespace.run(lambda: link.update(subject.replacement))
        assert self.fires(subject, where, link, "other_xdp")
        assert not self.fires(subject, where, link)
        with pytest.raises(bpf.PermissionDeniedError, match="Another program than `old`"):
            where.namespace.run(lambda: link.update(subject.program, old=subject.program))
        self.close(link, where)
        assert not self.fires(subject, where, link, "other_xdp")


@pytest.fixture
def packets(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.open(bpf_object("packets")) as obj:
        yield obj


@pytest.mark.parametrize("legacy", [False, True])
def test_it_drops_until_it_is_closed(packets: bpf.Object, datagrams: Datagrams, legacy: bool) -> None:
    (program,) = loaded(packets, "xdp")
    packets.variables["port"].value = datagrams.port
    packets.variables["drops"].value = 1
    link = datagrams.namespace.run(lambda: program.attach(LOOPBACK, mode=XdpMode.SKB, legacy=legacy))
    assert not datagrams.send()
    datagrams.namespace.run(link.close)
    if legacy:
        assert datagrams.send()
    else:
        eventually(datagrams.send)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_second_program_on_a_device_is_refused(
    packets: bpf.Object, datagrams: Datagrams, legacy: bool
) -> None:
    first, second = loaded(packets, "xdp", "other_xdp")
    link = datagrams.namespace.run(lambda: first.attach("lo", legacy=legacy))
    with pytest.raises(bpf.BpfError, match="has an XDP program already"):
        datagrams.namespace.run(lambda: second.attach("lo", legacy=legacy))
    datagrams.namespace.run(link.close)


@pytest.mark.parametrize("legacy", [False, True])
def test_query_tells_the_program_and_its_mode(
    packets: bpf.Object, datagrams: Datagrams, legacy: bool
) -> None:
    (program,) = loaded(packets, "xdp")
    run = datagrams.namespace.run
    assert run(lambda: query("lo", AttachType.XDP)).programs == ()
    link = run(lambda: program.attach("lo", mode=XdpMode.SKB, legacy=legacy))
    for target in ("lo", LOOPBACK):
        found = run(lambda target=target: query(target, AttachType.XDP))  # type: ignore[misc]
        assert found.programs == (AttachedProgram(program.id, None, None, XdpMode.SKB),)
        assert found.revision is None
    run(link.close)
    if legacy:
        assert is_free(datagrams)
    else:
        eventually(lambda: is_free(datagrams))
    for wrong in ("nonesuch0", 2**31 - 1):
        with pytest.raises(bpf.NotFoundError, match="There is no interface"):
            query(wrong, AttachType.XDP)


def test_a_device_that_is_not_there_is_named(packets: bpf.Object) -> None:
    (program,) = loaded(packets, "xdp")
    with pytest.raises(bpf.NotFoundError, match=r"'nonesuch0'.*\n.*no interface of that name"):
        program.attach("nonesuch0")
    for legacy in (False, True):
        with pytest.raises(bpf.NotFoundError, match="no interface with index 2147483647"):
            program.attach(2**31 - 1, legacy=legacy)


def test_a_mode_that_the_device_cannot_do_says_so(packets: bpf.Object, datagrams: Datagrams) -> None:
    (program,) = loaded(packets, "xdp")
    with pytest.raises(bpf.BpfError, match=r"XdpMode\.SKB works with every device"):
        datagrams.namespace.run(lambda: program.attach("lo", mode=XdpMode.DRIVER))
    with pytest.raises(ValueError, match="not a valid XdpMode"):
        program.attach("lo", mode=6)


def test_an_attachment_of_another_namespace_is_not_touched_from_here(
    packets: bpf.Object, datagrams: Datagrams
) -> None:
    first, second = loaded(packets, "xdp", "other_xdp")
    packets.variables["port"].value = datagrams.port
    link = datagrams.namespace.run(lambda: first.attach("lo", legacy=True))
    with pytest.raises(bpf.StateError, match="another network namespace"):
        link.update(second)
    assert datagrams.send()
    assert packets.variables["xdp_runs"].value == 1
    datagrams.namespace.run(link.close)
    datagrams.send()
    assert packets.variables["xdp_runs"].value == 1


def test_what_somebody_else_replaced_stays(packets: bpf.Object, datagrams: Datagrams) -> None:
    first, second = loaded(packets, "xdp", "other_xdp")
    packets.variables["port"].value = datagrams.port
    link = datagrams.namespace.run(lambda: attach_xdp(first, "lo", legacy=True))

    def replace() -> None:
        assert bpf.lib.bpf_xdp_attach(LOOPBACK, second.fd, 0, bpf.ffi.NULL) == 0

    datagrams.namespace.run(replace)
    datagrams.namespace.run(link.close)
    datagrams.send()
    assert packets.variables["other_xdp_runs"].value == 1
    datagrams.namespace.run(lambda: bpf.lib.bpf_xdp_detach(LOOPBACK, 0, bpf.ffi.NULL))
