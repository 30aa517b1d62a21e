# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Maps of sockets: what goes in, what comes out, and what leaves by itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.enums import UpdateFlags
from pylibbpf.maps import SockHash, SockMap
from tests.conftest import eventually

pytestmark = pytest.mark.needs("root")

_SO_COOKIE = 57
Make = Callable[..., Any]


def cookie(of: socket.socket) -> int:
    return int.from_bytes(of.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), "little")


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two listening sockets."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        yield first, second


@pytest.fixture(params=["SockMap", "SockHash"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes a map of either kind whose keys are u32."""
    made: list[Any] = []

    def create(value_size: int = 8) -> Any:
        if request.param == "SockMap":
            found: Any = SockMap.create(max_entries=4, value_size=value_size)
        else:
            with bpf.Btf.vmlinux() as btf:
                found = SockHash.create(max_entries=4, btf=btf, key_type="u32", value_size=value_size)
        made.append(found)
        return found

    yield create
    for each in made:
        each.close()


Sockets = tuple[socket.socket, socket.socket]


@pytest.mark.needs("vmlinux_btf")
def test_a_map_takes_sockets_and_fds_and_tells_their_cookies(make: Make, sockets: Sockets) -> None:
    map, (first, second) = make(), sockets
    map[1] = first
    map[3] = second.fileno()
    assert map[1] == cookie(first)
    assert map.lookup(3) == cookie(second)
    assert map.get(2) is None
    assert dict(map.items()) == {1: cookie(first), 3: cookie(second)}
    assert set(map) == set(map.keys()) == {1, 3}
    assert set(map.values()) == {cookie(first), cookie(second)}
    assert len(map) == 2
    assert 1 in map
    assert 2 not in map
    with pytest.raises(KeyError):
        map[2]


@pytest.mark.needs("vmlinux_btf")
def test_a_socket_is_replaced_and_deleted(make: Make, sockets: Sockets) -> None:
    map, (first, second) = make(), sockets
    map[1] = first
    map[1] = second
    assert map[1] == cookie(second)
    del map[1]
    assert len(map) == 0
    with pytest.raises(KeyError):
        del map[1]
    with pytest.raises(KeyError):
        map.delete(2)
    map.update({0: first, 2: second})
    assert map.delete_batch([0, 1, 2]) == 2
    map.update_batch([0, 2], [first, second])
    map.clear()
    assert list(map) == []


@pytest.mark.needs("vmlinux_btf")
def test_flags_say_whether_the_key_must_be_there(make: Make, sockets: Sockets) -> None:
    map, (first, second) = make(), sockets
    with pytest.raises(KeyError):
        map.put(1, first, UpdateFlags.EXIST)
    map.put(1, first, UpdateFlags.NO_EXIST)
    with pytest.raises(bpf.ExistsError):
        map.put(1, second, UpdateFlags.NO_EXIST)
    map.put(1, second, UpdateFlags.EXIST)
    assert map[1] == cookie(second)


@pytest.mark.needs("vmlinux_btf")
def test_a_closed_socket_leaves_the_map(make: Make, sockets: Sockets) -> None:
    map, (first, second) = make(), sockets
    map[0], map[1] = first, second
    second.close()
    eventually(lambda: list(map) == [0])
    map.close()
    assert first.getsockname()  # the map's end is not the socket's


@pytest.mark.needs("vmlinux_btf")
def test_the_kernel_takes_tcp_and_udp_sockets_in_some_states(make: Make, sockets: Sockets) -> None:
    map = make()
    with socket.create_connection(sockets[0].getsockname()) as connected:
        map[0] = connected
        assert map[0] == cookie(connected)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        map[1] = bound
        assert map[1] == cookie(bound)
    # UDP sockets that are not bound are left out: 6.12 takes them, 6.18 does not.
    for family, type in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_NETLINK, socket.SOCK_RAW)):
        with (
            socket.socket(family, type) as wrong,
            pytest.raises(bpf.BpfError, match="takes TCP sockets that are connected, or listen"),
        ):
            map[2] = wrong
    assert 2 not in map


@pytest.mark.needs("vmlinux_btf")
def test_what_is_no_socket_is_refused(make: Make, tmp_path: Any) -> None:
    map = make()
    for wrong in ("socket", None, True, 1.5):
        with pytest.raises(TypeError):
            map[0] = wrong
    with open(tmp_path / "file", "w") as file:
        with pytest.raises(TypeError, match="a socket or its fd is wanted, not TextIOWrapper"):
            map[0] = file
        with pytest.raises(bpf.BpfError, match="of something else than a socket"):
            map[0] = file.fileno()
    with pytest.raises(TypeError, match="not Sock"):
        map[0] = map
    with pytest.raises(bpf.BpfError, match="no such open fd"):
        map[0] = 100_000
    closed = socket.socket()
    closed.close()
    for number in (closed, -1):
        with pytest.raises(ValueError, match="not negative"):
            map[0] = number


@pytest.mark.needs("vmlinux_btf")
def test_a_full_map_says_so(make: Make, sockets: Sockets) -> None:
    map = make()
    for key in range(4):
        map[key] = sockets[0]
    if isinstance(map, SockMap):
        with pytest.raises(KeyError):
            map[4] = sockets[1]
        with pytest.raises(KeyError):
            del map[4]
        assert 4 not in map
    else:
        with pytest.raises(bpf.BpfError, match="The map is full"):
            map[4] = sockets[1]


@pytest.mark.needs("vmlinux_btf")
def test_sockets_cannot_be_popped(make: Make, sockets: Sockets) -> None:
    map = make()
    map[0] = sockets[0]
    with pytest.raises(bpf.NotSupportedError, match="look up and then delete"):
        map.pop(0)
    with pytest.raises(bpf.NotSupportedError, match="look up and then delete"):
        map.popitem()
    assert 0 in map


# --- values of 4 bytes, whose maps tell nothing -----------------------------------------------


@pytest.mark.needs("vmlinux_btf")
def test_a_map_with_small_values_tells_no_cookies(make: Make, sockets: Sockets) -> None:
    map = make(value_size=4)
    map[1] = sockets[0]
    for use in (lambda: map[1], lambda: map.lookup(1), lambda: list(map.values())):
        with pytest.raises(bpf.NotSupportedError, match=r"__type\(value, __u64\)"):
            use()
    if isinstance(map, SockHash):
        assert list(map) == [1]
        assert len(map) == 1
        assert 1 in map
        assert 2 not in map
    else:
        # Only a lookup tells which indices hold a socket.
        for use in (lambda: list(map), lambda: len(map), lambda: 1 in map):
            with pytest.raises(bpf.NotSupportedError, match=r"__type\(value, __u64\)"):
                use()
    del map[1]
    with pytest.raises(KeyError):
        del map[1]
    map[2] = sockets[0]
    map.clear()
    with pytest.raises(KeyError):
        del map[2]


@pytest.mark.needs("vmlinux_btf")
def test_a_map_found_by_its_id_is_the_same_one(make: Make, sockets: Sockets) -> None:
    map = make()
    map[1] = sockets[0]
    with type(map).from_id(map.id) as found:
        key: Any = 1 if isinstance(found, SockMap) else (1).to_bytes(4, "little")
        assert found[key] == cookie(sockets[0])
        assert os.fstat(found.fd)
