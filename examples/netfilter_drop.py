# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A netfilter rule without nft: drops TCP and UDP packets to some ports, of IPv4 and IPv6.

Until Ctrl-C, or for --seconds; then it prints how many. In another network namespace:
`ip netns exec NAME python netfilter_drop.py ...`. Needs root and Linux 6.4.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
import threading
from pathlib import Path

import pylibbpf as bpf
from pylibbpf.enums import NetfilterFamily, NetfilterHook
from pylibbpf.maps import HashMap
from pylibbpf.programs import Netfilter

OBJECT = Path(__file__).with_suffix(".bpf.o")


def main() -> None:
    options = parse_arguments()
    with bpf.Object.load_file(OBJECT) as obj:
        dropped = obj.map("dropped", HashMap)
        dropped.update(dict.fromkeys(options.ports, 0))
        hook = NetfilterHook[options.hook]
        attach = functools.partial(
            bpf.link.attach_netfilter,
            obj.program("drop_ports", Netfilter),
            hook=hook,
            priority=options.priority,
        )
        ports = ", ".join(map(str, options.ports))
        with (
            contextlib.suppress(KeyboardInterrupt),
            # The rule is there until the links close.
            attach(family=NetfilterFamily.IPV4),
            attach(family=NetfilterFamily.IPV6),
        ):
            print(f"dropping packets to {ports} in {hook.name} at priority {options.priority}", flush=True)
            threading.Event().wait(options.seconds)
        print(f"{'PORT':>5} {'DROPPED':>10}")
        for port, count in sorted(dropped.items()):
            print(f"{port:>5} {count:>10}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ports", nargs="+", type=port, metavar="PORT", help="where the packets go")
    parser.add_argument(
        "--hook", choices=[hook.name for hook in NetfilterHook], default="LOCAL_IN", metavar="HOOK",
        help="where on their way: %(choices)s; packets to this machine (LOCAL_IN) by default",
    )  # fmt: skip
    parser.add_argument(
        "--priority", type=int, default=-128, help="the lowest comes first; by default before nft's filters"
    )
    parser.add_argument("--seconds", type=float, help="end after so many")
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
        sys.exit(
            f"netfilter_drop: {error}\n"
            "  It needs root, and Linux 6.4 or newer with BTF and CONFIG_NETFILTER_BPF_LINK."
        )
    except (bpf.Error, ValueError) as error:
        sys.exit(f"netfilter_drop: {error}")
