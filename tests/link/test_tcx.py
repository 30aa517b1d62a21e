# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""tcx on the loopback interface: links, and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.link import After, Anchor, Before, Head, Link, Tail, TcxLink, attach_tcx, query
from pylibbpf.programs import SchedCls, Tcx
from tests import requirements
from tests.conftest import eventually
from tests.link.harness import LinkConformance, older_than
from tests.link.packets import LOOPBACK, OnDatagrams, loaded
from tests.link.places import Datagrams

Find = Callable[[str], Path]
INGRESS, EGRESS = bpf.AttachType.TCX_INGRESS, bpf.AttachType.TCX_EGRESS

pytestmark = pytest.mark.needs("libbpf_1_3")


def attached(datagrams: Datagrams, attach_type: bpf.AttachType = INGRESS) -> Any:
    return datagrams.namespace.run(lambda: query("lo", attach_type))


@pytest.fixture(autouse=True)
def free_interface(datagrams: Datagrams) -> None:
    """Waits for what the test before attached."""
    if requirements.REQUIREMENTS["tcx"].probe():
        for attach_type in (INGRESS, EGRESS):
            eventually(lambda attach_type=attach_type: attached(datagrams, attach_type).programs == ())  # type: ignore[misc]


class TestTcx(OnDatagrams, LinkConformance):
    program, replacement, kind, link_class = "ingress", "other_ingress", Tcx, TcxLink
    since = "6.6"
    updatable = detachable = True

    def attach(self, program: Any, where: Any) -> Link:
        return where.namespace.run(lambda: attach_tcx(program, "lo", attach_type=INGRESS))  # type: ignore[no-any-return]

    def check(self, info: Any, where: Any) -> None:
        assert (info.ifindex, info.attach_type) == (LOOPBACK, INGRESS)


@pytest.fixture
def packets(bpf_object: Find) -> Iterator[bpf.Object]:
    with bpf.Object.open(bpf_object("packets")) as obj:
        yield obj


@pytest.fixture
def ingress(packets: bpf.Object) -> list[Tcx]:
    """Two programs."""
    return loaded(packets, "ingress", "other_ingress")


@pytest.mark.needs("tcx")
def test_the_section_or_the_caller_says_in_which_direction(packets: bpf.Object, datagrams: Datagrams) -> None:
    egress, classifier = loaded(packets, "egress", "classifier")
    with datagrams.namespace.run(lambda: egress.attach("lo")) as link:
        assert link.info().attach_type == EGRESS
    eventually(lambda: attached(datagrams, EGRESS).programs == ())
    assert type(classifier) is SchedCls
    with pytest.raises(TypeError, match="give attach_type=TCX_INGRESS or TCX_EGRESS"):
        attach_tcx(classifier, LOOPBACK)
    with datagrams.namespace.run(lambda: attach_tcx(classifier, 1, attach_type=EGRESS)) as link:
        assert [program.id for program in attached(datagrams, EGRESS).programs] == [classifier.id]
    with pytest.raises(bpf.ProgramTypeError, match="not XDP"):
        attach_tcx(egress, "lo", attach_type=bpf.AttachType.XDP)


@pytest.mark.needs("tcx")
def test_anchors_say_where_a_program_goes(ingress: list[Tcx], datagrams: Datagrams) -> None:
    first, second = ingress

    def order(anchor: Anchor | None) -> list[int]:
        with datagrams.namespace.run(lambda: attach_tcx(second, "lo", anchor=anchor)):
            result = attached(datagrams)
            assert result.revision
            assert all(program.link_id for program in result.programs)
        eventually(lambda: [program.id for program in attached(datagrams).programs] == [first.id])
        return [program.id for program in result.programs]

    with datagrams.namespace.run(lambda: attach_tcx(first, "lo")) as link:
        before: list[Anchor] = [Head(), Before(link), Before(link.id, is_link=True)]
        after: list[Anchor | None] = [None, Tail(), After(link), After(link.id, is_link=True)]
        for anchor in before:
            assert order(anchor) == [second.id, first.id]
        for other in after:
            assert order(other) == [first.id, second.id]


@pytest.mark.needs("tcx")
def test_a_stale_revision_is_refused(ingress: list[Tcx], datagrams: Datagrams) -> None:
    first, second = ingress
    revision = attached(datagrams).revision
    with (
        datagrams.namespace.run(lambda: attach_tcx(first, "lo", expected_revision=revision)),
        pytest.raises(bpf.BpfError, match=r"(?s)ESTALE.*query\(\) it again"),
    ):
        datagrams.namespace.run(lambda: attach_tcx(second, "lo", expected_revision=revision))


@pytest.mark.needs("tcx")
def test_it_drops_in_its_direction(packets: bpf.Object, datagrams: Datagrams) -> None:
    (program,) = loaded(packets, "egress")
    packets.variables["port"].value = datagrams.port
    packets.variables["drops"].value = 1
    with datagrams.namespace.run(lambda: program.attach("lo")):
        assert not datagrams.send()
    eventually(datagrams.send)


def test_a_kernel_without_tcx_says_since_when(packets: bpf.Object, datagrams: Datagrams) -> None:
    (program,) = loaded(packets, "classifier")
    if older_than("6.6"):
        with pytest.raises(bpf.NotSupportedError, match=r"6\.6"):
            attach_tcx(program, LOOPBACK, attach_type=INGRESS, anchor=Head())
    with pytest.raises(bpf.NotFoundError, match="no interface of that name"):
        attach_tcx(program, "nonesuch0", attach_type=INGRESS)
