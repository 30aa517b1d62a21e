# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BPF tokens: programs loaded without CAP_BPF, by what a BPF file system delegates to a user namespace."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.link import attach_socket_filter
from pylibbpf.programs import SocketFilter
from tests.delegation import in_user_namespace
from tests.link.harness import older_than

pytestmark = pytest.mark.needs("root", "bpffs", "vmlinux_btf", "libbpf_1_7")
tokens = pytest.mark.kernel("6.9", "BPF tokens")

Find = Callable[[str], Path]
ANY = {"cmds": "any", "maps": "any", "progs": "any", "attachs": "any"}


def fires(obj: bpf.Object) -> bool:
    """Whether a program of tests/bpf/sockets.bpf.c runs on a socket that it is attached to."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        with attach_socket_filter(obj.program("on_packet", SocketFilter), receiver):
            sender.send(b"packet")
            assert receiver.recv(100) == b"packet"
        return bool(obj.variables["on_packet_runs"].value)


@tokens
def test_an_object_loads_without_rights_by_a_token(bpf_object: Find) -> None:
    path = bpf_object("sockets")

    def work(token_path: str) -> None:
        with (
            bpf.Object.open(path, token_path="") as obj,
            pytest.raises(bpf.PermissionDeniedError, match=r"only with a BPF token \(Linux 6\.9\)"),
        ):
            obj.load()
        with bpf.Object.open(path, token_path=token_path) as obj:
            obj.load()
            assert fires(obj)

    in_user_namespace(work, **ANY)


@tokens
@pytest.mark.needs("prepare")
def test_a_program_loads_alone_by_a_token(bpf_object: Find) -> None:
    path = bpf_object("sockets")

    def work(token_path: str) -> None:
        with bpf.Object.open(path, token_path=token_path) as obj:
            obj.program("on_packet", SocketFilter).load()
            assert fires(obj)

    in_user_namespace(work, **ANY)


@tokens
def test_the_environment_names_the_file_system_too(bpf_object: Find) -> None:
    path = bpf_object("sockets")

    def work(token_path: str) -> None:
        os.environ["LIBBPF_BPF_TOKEN_PATH"] = token_path
        with bpf.Object.open(path) as obj:
            obj.load()
            assert fires(obj)
        # An argument goes before it.
        with bpf.Object.open(path, token_path="") as obj, pytest.raises(bpf.PermissionDeniedError):
            obj.load()

    in_user_namespace(work, **ANY)


@tokens
def test_what_is_not_delegated_is_refused_with_what_to_do(bpf_object: Find) -> None:
    path = bpf_object("sockets")

    def work(token_path: str) -> None:
        with (
            bpf.Object.open(path, token_path=token_path) as obj,
            pytest.raises(bpf.PermissionDeniedError, match=r"token does not allow it.*delegate_progs"),
        ):
            obj.load()

    # Maps, BTF and XDP programs.
    in_user_namespace(work, cmds="any", maps="any", progs=hex(1 << bpf.ProgramType.XDP))


@tokens
def test_a_file_system_that_delegates_nothing_says_how_to_delegate(bpf_object: Find, tmp_path: Path) -> None:
    path = bpf_object("sockets")

    def work(token_path: str) -> None:
        for wrong, kind, words in (
            (token_path, bpf.NotFoundError, "delegates nothing.*delegate_cmds"),
            ("/proc", bpf.BpfError, "not the root of a BPF file system"),
            (tmp_path / "missing", bpf.NotFoundError, "not the directory where a BPF file system is mounted"),
        ):
            with (
                bpf.Object.open(path, token_path=wrong) as obj,
                pytest.raises(kind, match=words),
            ):
                obj.load()

    in_user_namespace(work)


def test_where_there_are_no_tokens_the_error_says_why(bpf_object: Find, bpffs_root: Path) -> None:
    # Every kernel of the tests refuses: the older ones know no tokens.
    words = r"came with Linux 6\.9" if older_than("6.9") else "no tokens in the initial user namespace"
    with (
        bpf.Object.open(bpf_object("plain"), token_path=bpffs_root) as obj,
        pytest.raises(bpf.NotSupportedError, match=words),
    ):
        obj.load()
