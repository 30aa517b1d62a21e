# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Counts the packets and bytes of a device in both directions, by the address of the other side.

Until Ctrl-C, or for --seconds; then it prints the counts, the most bytes first. Bytes include the Ethernet
header. In another network namespace: `ip netns exec NAME python tcx_bytes.py ...`. Needs root and Linux 6.6.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import sys
import threading
from pathlib import Path
from typing import Any

import pylibbpf as bpf
from pylibbpf.link import Head
from pylibbpf.maps import PerCpuHashMap
from pylibbpf.programs import Tcx

OBJECT = Path(__file__).with_suffix(".bpf.o")
LINE = "{:<39} {:>8} {:>11} {:>8} {:>11}"


def main() -> None:
    options = parse_arguments()
    with bpf.Object.load_file(OBJECT) as obj:
        with (
            contextlib.suppress(KeyboardInterrupt),
            # Before all others: what they drop counts, too.
            bpf.link.attach_tcx(obj.program("on_ingress", Tcx), options.interface, anchor=Head()),
            bpf.link.attach_tcx(obj.program("on_egress", Tcx), options.interface, anchor=Head()),
        ):
            print(f"counting on {options.interface}", flush=True)
            threading.Event().wait(options.seconds)
        print(LINE.format("ADDRESS", "IN", "BYTES IN", "OUT", "BYTES OUT"))
        for address, counts in busiest_first(obj.map("traffic", PerCpuHashMap)):
            print(LINE.format(name(address), *counts))


def busiest_first(traffic: PerCpuHashMap) -> list[tuple[Any, list[int]]]:
    """The addresses with their counts, summed over the CPUs."""
    fields = ("packets_in", "bytes_in", "packets_out", "bytes_out")
    totals = [
        (address, [sum(getattr(cpu, field) for cpu in cpus) for field in fields])
        for address, cpus in traffic.items()
    ]
    return sorted(totals, key=lambda each: each[1][1] + each[1][3], reverse=True)


def name(address: Any) -> str:
    """An address as people write it."""
    full = ipaddress.IPv6Address(bytes(address))
    return str(full.ipv4_mapped or full)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interface", help="the network device")
    parser.add_argument("--seconds", type=float, help="end after so many")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before it began
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"tcx_bytes: {error}\n  It needs root, and Linux 6.6 or newer with BTF.")
    except bpf.Error as error:
        sys.exit(f"tcx_bytes: {error}")
