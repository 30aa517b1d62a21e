# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Serves several streams of kernel events to any number of TCP clients as lines of JSON, in one asyncio loop.

One ring buffer tells of programs executed, another of signals sent, a timer of context switches: no threads.
Until Ctrl-C or SIGTERM. Needs root and Linux 5.8. To look at it: nc localhost 7777.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pylibbpf as bpf

OBJECT = Path(__file__).with_suffix(".bpf.o")
# A client that is so many bytes behind is let go: it would fill the memory.
BEHIND = 1 << 20


class Clients:
    """Those who listen."""

    def __init__(self) -> None:
        self.writers: set[asyncio.StreamWriter] = set()
        self.lines = 0

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keeps a client until it hangs up."""
        self.writers.add(writer)
        writer.write(b'{"stream": "welcome"}\n')
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
        self.writers.discard(writer)
        writer.close()

    def tell(self, stream: str, **facts: Any) -> None:
        """Sends all of them a line."""
        self.lines += 1
        line = json.dumps({"stream": stream} | facts).encode() + b"\n"
        for writer in [*self.writers]:
            if writer.transport.get_write_buffer_size() > BEHIND:
                writer.transport.abort()
            else:
                writer.write(line)


async def executions(obj: bpf.Object, clients: Clients) -> None:
    with bpf.RingBuffer(obj.maps["executions"], "struct executed") as events:
        async for event in events:
            clients.tell("exec", pid=event.pid, command=event.comm.decode(errors="replace"))


async def signals(obj: bpf.Object, clients: Clients) -> None:
    with bpf.RingBuffer(obj.maps["signals"], "struct signalled") as events:
        async for event in events:
            clients.tell("signal", number=event.number, sender=event.sender, receiver=event.receiver)


async def switches(obj: bpf.Object, clients: Clients, interval: float) -> None:
    before = obj.variables["switches"].value
    while True:
        await asyncio.sleep(interval)
        now = obj.variables["switches"].value
        clients.tell("switches", per_second=round((now - before) / interval))
        before = now


async def main() -> None:
    options = parse_arguments()
    clients, stop = Clients(), asyncio.Event()
    for number in signal.SIGINT, signal.SIGTERM:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with bpf.Object.load_file(OBJECT) as obj:
        obj.attach()
        server = await asyncio.start_server(clients.welcome, "127.0.0.1", options.port)
        address, port = server.sockets[0].getsockname()
        print(f"serving at {address}:{port}", flush=True)
        streams = executions(obj, clients), signals(obj, clients), switches(obj, clients, options.interval)
        tasks = [asyncio.ensure_future(work) for work in (*streams, stop.wait())]
        # A stream ends only by an error, which result() raises.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()
        for writer in clients.writers:
            writer.transport.abort()
        while clients.writers:  # until each has seen that
            await asyncio.sleep(0)
        for task in done:
            task.result()
        print(f"{clients.lines} lines served, {obj.variables['dropped'].value} events dropped")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7777, help="0 for any that is free (7777)")
    parser.add_argument("--interval", type=float, default=1, metavar="SECONDS", help="between counts (1)")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:  # before the handler was there
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"asyncio_service: {error}\n  It needs root, and Linux 5.8 or newer with BTF.")
    except (bpf.Error, OSError, OverflowError) as error:
        sys.exit(f"asyncio_service: {error}")
