# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""struct_ops maps: a TCP congestion control that carries traffic, by link and without."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.enums import LinkType, MapFlags
from pylibbpf.link import StructOpsLink, attach_struct_ops
from pylibbpf.maps import ArrayMap, StructOpsMap
from tests.conftest import eventually, link_ids
from tests.link.harness import older_than, only_before

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "libbpf_1_3")
by_link = pytest.mark.kernel("6.4", "links of struct_ops maps")

Find = Callable[[str], Path]
# The kernel has one list of names for everybody. They have at most 15 characters, and a pid 7.
NAME = f"pylibbpf{os.getpid()}".encode()


@pytest.fixture(autouse=True)
def _until_the_name_is_free() -> Iterator[None]:
    """Ends a test, and all that it had attached, before the next takes the name."""
    yield
    eventually(lambda: not is_selectable())


def is_selectable() -> bool:
    """Whether a socket can have the congestion control."""
    with socket.socket() as own:
        try:
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, NAME)
        except FileNotFoundError:
            return False
    return True


def send() -> None:
    """Sends data over a connection that has the congestion control."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, NAME)
        # It closes without a FIN, whose acknowledgement might come when another connection is counted.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            client.settimeout(20)
            accepted.settimeout(20)
            for _ in range(3):
                client.sendall(b"x" * 100)
                assert accepted.recv(100)
            # Until everything was acknowledged: the acknowledgement of the last comes with the answer.
            accepted.sendall(b"y")
            assert client.recv(1) == b"y"


def carries(obj: bpf.Object) -> str:
    """Which of the two carried a new connection."""
    before = {name: value.value for name, value in obj.variables.items()}
    send()
    grown = [name for name, value in obj.variables.items() if value.value > before[name]]
    (which,) = {name.partition("_")[0] for name in grown}
    assert sorted(grown) == [f"{which}_acks", f"{which}_connections"]
    return which


def opened(find: Find, *, link: bool) -> bpf.Object:
    """The object of tests/bpf/struct_ops.bpf.c, with this process's name in both of its maps."""
    written, content = b"pylibbpf".ljust(16, b"\0"), find("struct_ops").read_bytes()
    assert content.count(written) == 2
    obj = bpf.Object.open(content.replace(written, NAME.ljust(16, b"\0")))
    if not link:
        for name in ("first", "second"):
            obj.maps[name].flags &= ~MapFlags.LINK
    return obj


@pytest.fixture
def obj(bpf_object: Find) -> Iterator[bpf.Object]:
    """The object of tests/bpf/struct_ops.bpf.c, loaded, for links."""
    with opened(bpf_object, link=True) as own:
        own.load()
        yield own


@pytest.fixture
def without_links(bpf_object: Find) -> Iterator[bpf.Object]:
    """The same object, for registrations without a link."""
    with opened(bpf_object, link=False) as own:
        own.load()
        yield own


def maps(obj: bpf.Object) -> tuple[StructOpsMap, StructOpsMap]:
    return obj.map("first", StructOpsMap), obj.map("second", StructOpsMap)


# --- by link ----------------------------------------------------------------------------------


@by_link
def test_a_congestion_control_carries_traffic_until_its_link_closes(obj: bpf.Object) -> None:
    first, _ = maps(obj)
    assert not is_selectable()
    with attach_struct_ops(first) as link:
        assert type(link) is StructOpsLink
        assert link.is_bpf_link
        info = link.info()
        assert (info.type, info.id, info.map_id) == (LinkType.STRUCT_OPS, link.id, first.id)
        assert link.id in link_ids()
        assert carries(obj) == "first"
    eventually(lambda: not is_selectable())
    # The map can be attached again.
    with first.attach():
        assert carries(obj) == "first"
    eventually(lambda: not is_selectable())


@by_link
def test_a_map_tracks_what_it_attached(obj: bpf.Object) -> None:
    first, second = maps(obj)
    link = first.attach()
    assert list(first.links) == [link]
    with pytest.raises(bpf.ExistsError, match=r"one of that name already.*update\(\)"):
        second.attach()
    with pytest.raises(bpf.NotAttachedError, match="map 'second' does not track"):
        second.detach(link)
    first.detach(link)
    assert link.closed
    assert list(first.links) == []
    eventually(lambda: not is_selectable())
    taken = first.take_link(first.attach())
    first.close()
    assert is_selectable()
    # What libbpf attached by a link needs its object no more.
    obj.close()
    assert is_selectable()
    taken.close()
    eventually(lambda: not is_selectable())


@by_link
def test_an_update_takes_effect_on_new_connections(obj: bpf.Object) -> None:
    first, second = maps(obj)
    with first.attach() as link:
        assert carries(obj) == "first"
        link.update(second)
        assert link.info().map_id == second.id
        assert carries(obj) == "second"
        with pytest.raises(bpf.PermissionDeniedError, match="`old` is not the attached map"):
            link.update(first, old=first)
        assert carries(obj) == "second"
        link.update(first, old=second)
        assert link.info().map_id == first.id
        assert carries(obj) == "first"


@by_link
def test_an_update_to_the_attached_map_leaves_it_as_it_is(obj: bpf.Object) -> None:
    # The kernel would add it to its list twice, and stop.
    first, second = maps(obj)
    with first.attach() as link:
        link.update(first)
        link.update(first, old=first)
        with pytest.raises(bpf.PermissionDeniedError, match="`old` is not the attached map"):
            link.update(first, old=second)
        assert carries(obj) == "first"


@by_link
def test_a_link_of_a_pin_takes_a_map_of_a_new_object(obj: bpf.Object, bpf_object: Find, bpffs: Path) -> None:
    first, _ = maps(obj)
    link = first.attach()
    link.pin(bpffs / "link")
    first_id = first.id
    obj.close()
    assert link.closed
    assert is_selectable()
    with opened(bpf_object, link=True) as again, bpf.link.load_pinned(bpffs / "link") as loaded:
        again.load()
        assert isinstance(loaded, StructOpsLink)
        assert loaded.info().map_id == first_id
        with StructOpsMap.from_id(first_id) as old:
            loaded.update(maps(again)[1], old=old)
        assert carries(again) == "second"
        # It was written, and the object still has its own fd of it.
        assert loaded.info().map_id == again.maps["second"].id
        loaded.update(maps(again)[0])
        assert carries(again) == "first"
        loaded.unpin()
    eventually(lambda: not is_selectable())


@by_link
@pytest.mark.parametrize("origin", ["pin", "id", "fd"])
def test_a_map_from_the_kernel_attaches_and_updates(obj: bpf.Object, bpffs: Path, origin: str) -> None:
    first, second = maps(obj)
    if origin == "id":
        found, other = StructOpsMap.from_id(first.id), StructOpsMap.from_id(second.id)
    elif origin == "fd":
        found, other = StructOpsMap.from_fd(first.fd), StructOpsMap.from_fd(second.fd)
    else:
        first.pin(bpffs / "first")
        second.pin(bpffs / "second")
        found, other = StructOpsMap.from_pin(bpffs / "first"), StructOpsMap.from_pin(bpffs / "second")
    with found, other:
        # libbpf writes a map when it attaches it.
        with pytest.raises(bpf.BpfError, match="only that one knows what to write"):
            attach_struct_ops(found)
        first.attach().close()
        eventually(lambda: not is_selectable())
        with found.attach() as link:
            assert found.links == (link,)
            assert carries(obj) == "first"
            with pytest.raises(bpf.BpfError, match="loaded by another process and never attached"):
                link.update(other)
            link.update(second)
            assert carries(obj) == "second"
            link.update(found)
            link.update(other)
            assert carries(obj) == "second"
    eventually(lambda: not is_selectable())


@by_link
def test_detach_ends_it_where_the_kernel_can(obj: bpf.Object, bpffs: Path) -> None:
    first, _ = maps(obj)
    link = first.attach()
    link.pin(bpffs / "link")
    if older_than("6.11"):
        with pytest.raises(bpf.NotSupportedError, match="is pinned at"):
            link.detach()
        assert is_selectable()
        link.unpin()
        link.detach()
        assert link.closed
    else:
        link.detach()
        assert not link.closed
        with pytest.raises(bpf.BpfError, match="was detached"):
            link.update(first)
        link.unpin()
    eventually(lambda: not is_selectable())


@by_link
def test_a_forked_child_that_closes_does_not_unregister(obj: bpf.Object) -> None:
    with maps(obj)[0].attach() as link:
        in_child(link.close)
        assert carries(obj) == "first"


@by_link
def test_a_map_without_the_flag_is_no_update(obj: bpf.Object, without_links: bpf.Object) -> None:
    with maps(obj)[0].attach() as link:
        with pytest.raises(ValueError, match=r"has no MapFlags\.LINK"):
            link.update(maps(without_links)[1])
        assert carries(obj) == "first"
    eventually(lambda: not is_selectable())


# --- without a link -----------------------------------------------------------------------------


def test_a_map_without_a_link_carries_traffic_until_it_is_closed(without_links: bpf.Object) -> None:
    obj = without_links
    first, _ = maps(obj)
    with attach_struct_ops(first, legacy=True) as link:
        assert type(link) is StructOpsLink
        assert not link.is_bpf_link
        assert link.type is None
        assert carries(obj) == "first"
    eventually(lambda: not is_selectable())
    with pytest.raises(bpf.BpfError, match="once in its life"):
        attach_struct_ops(first, legacy=True)


def test_what_is_registered_without_a_link_says_since_when_there_are_links(
    without_links: bpf.Object, bpffs: Path
) -> None:
    first, second = maps(without_links)
    with pytest.raises(bpf.NotSupportedError, match="legacy=True attaches without a link"):
        first.attach()
    with first.attach(legacy=True) as link:
        for use in (
            lambda: link.id,
            link.info,
            link.fileno,
            lambda: link.pin(bpffs / "link"),
            lambda: link.update(second),
        ):
            with pytest.raises(bpf.NotSupportedError, match=r"legacy=True.*since Linux 6\.4"):
                use()
        with (
            StructOpsMap.from_id(second.id) as found,
            pytest.raises(bpf.NotSupportedError, match="by the process that loaded it"),
        ):
            found.attach(legacy=True)
        assert is_selectable()
        link.detach()
        assert link.closed
    eventually(lambda: not is_selectable())


def test_what_is_registered_without_a_link_outlives_its_object_until_it_is_closed(
    without_links: bpf.Object,
) -> None:
    first, _ = maps(without_links)
    link = attach_struct_ops(first, legacy=True)
    without_links.close()
    assert is_selectable()
    in_child(link.close)
    assert is_selectable()
    link.close()
    eventually(lambda: not is_selectable())


def test_what_others_unregistered_closes_without_a_word(without_links: bpf.Object) -> None:
    first, _ = maps(without_links)
    link = first.attach(legacy=True)
    first.delete_bytes(bytes(4))
    eventually(lambda: not is_selectable())
    link.close()


class TestBeforeLinks:
    link_since = "6.4"

    @only_before("link_since")
    def test_a_kernel_without_links_says_so_at_load(self, bpf_object: Find) -> None:
        with opened(bpf_object, link=True) as obj, pytest.raises(bpf.NotSupportedError, match=r"6\.4"):
            obj.load()


# --- by the object ------------------------------------------------------------------------------


@by_link
def test_an_object_attaches_its_maps_and_detaches_them(bpf_object: Find) -> None:
    with opened(bpf_object, link=True) as obj:
        obj.maps["second"].autoattach = False
        obj.load()
        (link,) = obj.attach()
        assert maps(obj)[0].links == (link,)
        assert carries(obj) == "first"
        assert obj.attach() == []
        obj.detach()
        assert link.closed
        eventually(lambda: not is_selectable())
        obj.attach()
        assert is_selectable()
    eventually(lambda: not is_selectable())


@by_link
def test_an_object_attaches_all_of_its_maps_or_none(obj: bpf.Object) -> None:
    with pytest.raises(bpf.ExistsError):
        obj.attach()
    assert [map.links for map in maps(obj)] == [(), ()]
    eventually(lambda: not is_selectable())


def test_an_object_does_not_register_maps_without_a_link(without_links: bpf.Object) -> None:
    with pytest.raises(bpf.NotSupportedError, match="legacy=True"):
        without_links.attach()
    assert not is_selectable()


# --- what it is not -------------------------------------------------------------------------------


def test_only_struct_ops_maps_attach(bpf_object: Find) -> None:
    with pytest.raises(TypeError, match="a struct_ops map is wanted, not int"):
        attach_struct_ops(3)  # type: ignore[arg-type]
    with (
        ArrayMap.create(key_size=4, value_size=4, max_entries=1) as array,
        pytest.raises(bpf.MapTypeError, match="is of type ARRAY, not STRUCT_OPS"),
    ):
        attach_struct_ops(array)  # type: ignore[arg-type]
    with opened(bpf_object, link=True) as obj:
        with pytest.raises(bpf.StateError, match="before its object is loaded"):
            maps(obj)[0].attach()
        first = maps(obj)[0]
    with pytest.raises(bpf.ClosedError):
        first.attach()


def in_child(work: Callable[[], object]) -> None:
    """Does something in a forked child, where it must not fail."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)  # never back into pytest
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
