# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/sk_msg.py: a message that a TCP client sends is dropped, or redirected to another socket."""

from __future__ import annotations

import socket

import pytest

from tests.examples.running import assert_advises, give_up_rights, output, run

pytestmark = pytest.mark.needs("root", "vmlinux_btf", "prepare")


def test_a_message_is_dropped() -> None:
    assert output("sk_msg") == [
        "the server received b'hello'",
        "could not send b'foo': dropped",
        "the server received nothing more",
        "messages intercepted: 1",
    ]


def test_a_message_is_redirected_to_another_socket() -> None:
    assert output("sk_msg", "--redirect") == [
        "the server received b'hello'",
        "sent b'foo'",
        "another socket received b'foo'",
        "the server received nothing more",
        "messages intercepted: 1",
    ]


def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("sk_msg", preexec=give_up_rights), "sk_msg", "CAP_NET_ADMIN")


def test_a_port_that_is_taken_is_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert_advises(run("sk_msg", "--port", taken.getsockname()[1]), "sk_msg", "in use")
