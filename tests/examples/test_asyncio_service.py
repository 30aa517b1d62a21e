# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""examples/asyncio_service.py: several streams of events, for several clients."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.examples.running import assert_advises, give_up_rights, interrupt, line_with, run, running

pytestmark = pytest.mark.needs("root", "vmlinux_btf")


def events(client: socket.socket) -> Iterator[dict[str, Any]]:
    with client.makefile("r") as lines:
        for line in lines:
            yield json.loads(line)


def test_every_client_gets_every_stream() -> None:
    with running("asyncio_service", "--port", 0, "--interval", 0.1) as process, ExitStack() as stack:
        port = int(line_with(process, "serving at").rpartition(":")[2])
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(2)]
        streams = [events(client) for client in clients]
        for stream in streams:
            assert next(stream) == {"stream": "welcome"}

        with subprocess.Popen(["true"]) as child:
            pass
        os.kill(os.getpid(), signal.SIGWINCH)  # which nobody minds
        wanted = [
            {"stream": "exec", "pid": child.pid, "command": "true"},
            {"stream": "signal", "number": signal.SIGWINCH, "sender": os.getpid(), "receiver": os.getpid()},
        ]
        for stream in streams:
            left = [*wanted, "switches"]
            for event in stream:
                if event in left:
                    left.remove(event)
                elif event["stream"] == "switches" and event["per_second"] > 0 and "switches" in left:
                    left.remove("switches")
                if not left:
                    break
        count, *words = interrupt(process).split()
        assert int(count) >= 3
        # Those of a busy machine may be more than the rings hold.
        assert re.fullmatch(r"lines served, \d+ events dropped", " ".join(words))
        # It hung up.
        for client in clients:
            client.settimeout(10)
            while client.recv(4096):
                pass


@pytest.mark.host("needs no particular kernel")
def test_a_port_that_is_taken_is_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_advises(run("asyncio_service", "--port", port), "asyncio_service", "in use")


@pytest.mark.host("needs no particular kernel")
def test_without_rights_it_says_which_it_needs() -> None:
    assert_advises(run("asyncio_service", preexec=give_up_rights), "asyncio_service", "It needs root")
