# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Follows the static probes (USDT) of a small program of its own, a shop, that it starts and gives orders to.

Ends by itself. Needs root and Linux 5.8.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pylibbpf as bpf
from pylibbpf.programs import Usdt

OBJECT = Path(__file__).with_suffix(".bpf.o")
# Compiled from usdt_orders.prog.c by `make build`.
SHOP = Path(__file__).with_suffix(".prog")


def main() -> None:
    options = parse_arguments()
    with (
        bpf.Object.load_file(OBJECT) as obj,
        subprocess.Popen([SHOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shop,
    ):
        assert shop.stdin
        assert shop.stdout
        # Before Linux 5.15 a probe needs to know the process; since, none means all that execute the file.
        for program, probe in (("on_ordered", "ordered"), ("on_sold", "sold")):
            obj.program(program, Usdt).attach(SHOP, "shop", probe, pid=shop.pid)

        print(f"{'ITEM':<16} {'QUANTITY':>8} {'TOTAL':>8} {'TIME (us)':>10}", flush=True)
        with bpf.RingBuffer(obj.maps["orders"], "struct order") as orders:
            for item, quantity in options.orders:
                print(item, quantity, file=shop.stdin, flush=True)
                shop.stdout.readline()  # the price, and then it passes the second probe
                for order in orders.read_batch(timeout=10):
                    name, microseconds = order.item.decode(errors="replace"), order.duration_ns / 1e3
                    print(f"{name:<16} {order.quantity:8} {order.total:8} {microseconds:10.1f}", flush=True)
        shop.stdin.close()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "orders", nargs="*", type=order, metavar="ITEM=QUANTITY", default=[("apples", 3), ("figs", 12)],
        help="what to order (apples=3 figs=12)",
    )  # fmt: skip
    return parser.parse_args()


def order(text: str) -> tuple[str, int]:
    """The item and the quantity of "apples=3"."""
    item, _, quantity = text.partition("=")
    if not item or any(map(str.isspace, item)) or len(item) > 31 or abs(int(quantity)) > 1_000_000:
        raise ValueError(text)
    return item, int(quantity)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"usdt_orders: {error}\n  It needs root, and Linux 5.8 or newer with BTF and uprobes.")
    except (bpf.Error, OSError) as error:
        sys.exit(f"usdt_orders: {error}")
