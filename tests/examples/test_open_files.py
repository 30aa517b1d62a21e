# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/open_files.py: a line for each open file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.examples.running import assert_advises, give_up_rights, output, run
from tests.requirements import kernel_version

pytestmark = pytest.mark.needs("root", "vmlinux_btf")


def files_of(pid: int, *arguments: object) -> dict[int, list[str]]:
    """What the example tells of each file of a process: type, device, inode, path."""
    header, *lines = output("open_files", *arguments)
    assert header.split() == ["PID", "COMMAND", "FD", "TYPE", "DEVICE", "INODE", "PATH"]
    found = {}
    for line in lines:
        if int(line[:8]) == pid:
            fd, *facts = line[26:].split(maxsplit=4)
            found[int(fd)] = facts
        else:
            assert not arguments
    return found


def test_it_tells_what_proc_tells(tmp_path: Path) -> None:
    path = tmp_path / "a file"
    with path.open("w") as file, socket.socket() as sock, open("/dev/null", "rb") as null:
        reader, writer = os.pipe()
        try:
            listed = files_of(os.getpid(), "--pid", os.getpid())
            kinds = {file.fileno(): "file", sock.fileno(): "socket", null.fileno(): "device"}
            for fd, expected in (kinds | {reader: "pipe", writer: "pipe"}).items():
                kind, device, inode, *name = listed[fd]
                assert kind == expected
                status = os.fstat(fd)
                if kind != "file":  # overlayfs has numbers of its own for files
                    assert int(inode) == status.st_ino
                    assert device == f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
                if kernel_version() >= (5, 12):
                    assert name == [os.readlink(f"/proc/self/fd/{fd}")]
                elif kind == "file":
                    assert name == [path.name]
        finally:
            os.close(reader)
            os.close(writer)


@pytest.mark.host("needs no particular kernel, and takes long under emulation")
def test_it_lists_all_processes() -> None:
    before = {int(name) for name in os.listdir("/proc/self/fd")}
    listed = files_of(os.getpid())
    # The last was listdir's own.
    assert listed.keys() >= {fd for fd in before if Path(f"/proc/self/fd/{fd}").exists()}


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("open_files", preexec=give_up_rights), "open_files", "It needs root")
