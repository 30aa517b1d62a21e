# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Counts the packets that a device receives, by protocol and port, and drops those to some ports.

Until Ctrl-C, or for --seconds; then it prints the counts. In another network namespace:
`ip netns exec NAME python xdp_drop.py ...`. Needs root and Linux 5.9.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
import threading
from pathlib import Path

import pylibbpf as bpf
from pylibbpf.enums import XdpMode
from pylibbpf.maps import HashMap, PerCpuHashMap
from pylibbpf.programs import Xdp

OBJECT = Path(__file__).with_suffix(".bpf.o")
PROTOCOLS = {
    socket.IPPROTO_ICMP: "icmp",
    socket.IPPROTO_ICMPV6: "icmpv6",
    socket.IPPROTO_TCP: "tcp",
    socket.IPPROTO_UDP: "udp",
}


def main() -> None:
    options = parse_arguments()
    with bpf.Object.load_file(OBJECT) as obj:
        obj.map("dropped_ports", HashMap).update(dict.fromkeys(options.drop, 1))
        mode = XdpMode.SKB if options.generic else XdpMode.DEFAULT
        ports = ", ".join(map(str, options.drop)) or "nothing"
        program = obj.program("count_and_drop", Xdp)
        with (
            contextlib.suppress(KeyboardInterrupt),
            # Every packet passes through the program until the link closes.
            bpf.link.attach_xdp(program, options.interface, mode=mode),
        ):
            print(f"counting on {options.interface}, dropping {ports}", flush=True)
            threading.Event().wait(options.seconds)
        print_counts(obj.map("counts", PerCpuHashMap))


def print_counts(counts: PerCpuHashMap) -> None:
    print(f"{'PROTOCOL':<8} {'PORT':>5} {'PASSED':>10} {'DROPPED':>10} {'BYTES':>12}")
    for service, cpus in sorted(counts.items(), key=lambda item: (item[0].protocol, item[0].port)):
        protocol = PROTOCOLS.get(service.protocol, service.protocol)
        passed = sum(cpu.passed for cpu in cpus)
        dropped = sum(cpu.dropped for cpu in cpus)
        total = sum(cpu.bytes for cpu in cpus)
        print(f"{protocol:<8} {service.port or '-':>5} {passed:>10} {dropped:>10} {total:>12}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interface", help="the network device")
    parser.add_argument(
        "--drop", type=port, action="append", default=[], metavar="PORT", help="of TCP or UDP; again for more"
    )
    parser.add_argument("--seconds", type=float, help="end after so many")
    parser.add_argument("--generic", action="store_true", help="in the network stack: works with any driver")
    return parser.parse_args()


def port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before it began
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"xdp_drop: {error}\n  It needs root, and Linux 5.9 or newer with BTF.")
    except bpf.Error as error:
        sys.exit(f"xdp_drop: {error}")
