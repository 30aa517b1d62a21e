# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Keeps the processes of a cgroup from sending to addresses and ports, by rules that are replaced atomically.

The file has a rule in each line: ADDRESS[/BITS] [PORT], "10.0.0.0/8", "::/0 25". On SIGHUP it is read again.
The new rules go into a new map of a new program, which then takes the old one's place in the link. So every
packet is judged by all of the old rules or all of the new ones, and never by none. Until Ctrl-C.
Needs root, a cgroup v2 hierarchy and Linux 5.7.
"""

from __future__ import annotations

import argparse
import ipaddress
import signal
import sys
from pathlib import Path

import pylibbpf as bpf
from pylibbpf.link import CgroupLink
from pylibbpf.maps import ArrayMap, LpmTrie
from pylibbpf.programs import CgroupSkb

OBJECT = Path(__file__).with_suffix(".bpf.o")
Rule = tuple[int, int, bytes]


def main() -> None:
    options = parse_arguments()
    # Blocked, and waited for: none is lost, and none comes while the rules change.
    signals = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    rules = read_rules(options.rules)
    obj = load(rules)
    try:
        with bpf.link.attach_cgroup(obj.program("filter", CgroupSkb), options.cgroup) as link:
            print(f"{len(rules)} rules for {options.cgroup}", flush=True)
            while signal.sigwait(signals) == signal.SIGHUP:
                obj = replace(link, obj, options.rules)
        denied, passed = obj.map("counts", ArrayMap).values()
        print(f"{denied} packets denied, {passed} passed")
    finally:
        obj.close()


def replace(link: CgroupLink, old: bpf.Object, path: Path) -> bpf.Object:
    """Reads the rules again. Returns the object that has those in force: the old one if the new are wrong."""
    try:
        rules = read_rules(path)
        new = load(rules, counts=old.map("counts", ArrayMap))
    except (bpf.Error, OSError, ValueError) as error:
        print(f"the old rules stay: {error}", flush=True)
        return old
    link.update(new.program("filter", CgroupSkb))
    old.close()  # the link holds the program that it runs, and the program its maps
    print(f"{len(rules)} rules in place of the old ones", flush=True)
    return new


def load(rules: list[Rule], counts: ArrayMap[int] | None = None) -> bpf.Object:
    """A program with these rules, not attached yet; `counts` is the map of the one before."""
    obj = bpf.Object.open(OBJECT)
    try:
        if counts is not None:
            obj.maps["counts"].reuse(counts)
        obj.load()
        denied = obj.map("denied", LpmTrie)
        for rule in rules:
            denied[rule] = 1
    except BaseException:
        obj.close()
        raise
    return obj


def read_rules(path: Path) -> list[Rule]:
    """The rules of a file, as keys of the map: IPv4 is a part of IPv6 there."""
    rules = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            network = ipaddress.ip_network(words[0])
            (port,) = map(int, words[1:] or ["0"])
            if not 0 <= port <= 65535:
                raise ValueError(f"{port} is no port")
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        prefix = b"" if network.version == 6 else bytes(10) + b"\xff\xff"
        bits = 8 * len(prefix) + network.prefixlen
        rules.append((32 + bits, port, prefix + network.network_address.packed))
    return rules


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cgroup", type=Path, help="its directory, as /sys/fs/cgroup/web")
    parser.add_argument("rules", type=Path, help="the file with the rules")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"cgroup_firewall: {error}\n  It needs root, and Linux 5.7 or newer with BTF.")
    except (bpf.Error, OSError, ValueError) as error:
        sys.exit(f"cgroup_firewall: {error}")
