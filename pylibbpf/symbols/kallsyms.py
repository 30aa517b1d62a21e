# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Kallsyms: the kernel's own list of its symbols, with those of its modules."""

from __future__ import annotations

import errno
import re
import string
from array import array
from bisect import bisect_right
from operator import itemgetter

from ..errors import NotSupportedError, PermissionDeniedError, from_errno
from .symbol import Symbol

PATH = "/proc/kallsyms"

# Where the kernel begins: one of them, and on arm64 both, some pages apart.
_BEGINS = frozenset(("_text", "_stext"))

# They mark where something ends, and nothing lies in them (include/asm-generic/sections.h).
_ENDS = frozenset(("_etext", "_einittext", "_end"))

# A line of the kernel's own: address, kind, name.
_LINE = re.compile(r"^([0-9a-f]+) (.) (.+)$", re.MULTILINE)

# The name that the kernel gives to a function of a BPF program (kernel/bpf/core.c:bpf_prog_ksym_set_name).
_PROGRAM = re.compile(r"bpf_prog_[0-9a-f]{16}_(.+)")

# Symbols of assemblers and compilers, which the kernel leaves out of its own, but not
# out of those of modules (include/linux/module_symbol.h:is_mapping_symbol).
_MAPPING = (".L", "L0", "$")

# The letters that nm(1) has for functions, weak ones too, and for everything.
_FUNCTIONS = frozenset("tTwW")
_ANY_KIND = frozenset(string.ascii_letters + "?")

_PAGE = 4096


class Kallsyms:
    """The symbols of /proc/kallsyms, as they were when it was read.

    Args:
        programs: whether to take the functions of BPF programs, whose sizes it does not tell.

    Attributes:
        regions: where each module lies.
    """

    def __init__(self, *, programs: bool) -> None:
        self.regions = module_regions()
        self._programs = programs
        symbols = _parse(_read(), programs)
        # The first of several at the same address stays the first: it is the one that the kernel prints.
        symbols.sort(key=itemgetter(0))
        self._starts = array("Q", [symbol[0] for symbol in symbols])
        self._names = [symbol[1] for symbol in symbols]
        self._modules = [symbol[2] for symbol in symbols]
        self._ends = {address for address, name, module in symbols if name in _ENDS and not module}
        # Where the first of each name is, and for the few names of several, the others.
        self._first: dict[str, int] = {}
        self._others: dict[str, list[int]] = {}

    def find(self, address: int) -> Symbol | None:
        """The symbol that an address lies in, or None."""
        starts = self._starts
        after = bisect_right(starts, address)
        if not after:
            return None
        first = after - 1
        start = starts[first]
        while first and starts[first - 1] == start:
            first -= 1
        if start in self._ends:
            # What begins where a part of the kernel ends is of interest, and no other end is.
            while first < after and _is_end(self._names[first]):
                first += 1
            if first == after:
                return None
        end = self._end(first, after, start)
        if address >= end:
            return None
        return Symbol(self._names[first], self._modules[first], start, end - start, address - start)

    def _end(self, first: int, after: int, start: int) -> int:
        """Where the symbols from `first` up to `after`, which all begin at `start`, end."""
        module = self._modules[first]
        following = self._starts[after] if after < len(self._starts) else 1 << 64
        followed = after < len(self._starts) and self._modules[after] == module
        region = self.regions.get(module)
        # Code of BPF programs lies close together, and what else is of BPF is a trampoline.
        if followed and (not module or region is not None or (module == "bpf" and self._programs)):
            return following
        if region is not None and start in region:
            return min(following, region.stop)
        # The last of its kind, or a trampoline, which the kernel makes no larger than a page.
        return min(following, start - start % _PAGE + _PAGE)

    def addresses_of(self, name: str, module: str | None) -> list[int]:
        """The addresses of all symbols of a name, in a module or anywhere."""
        if not self._first:
            self._index_names()
        first = self._first.get(name)
        if first is None:
            return []
        return [
            self._starts[index]
            for index in (first, *self._others.get(name, ()))
            if module is None or self._modules[index] == module
        ]

    def _index_names(self) -> None:
        first: dict[str, int] = {}
        others: dict[str, list[int]] = {}
        for index, name in enumerate(self._names):
            if first.setdefault(name, index) != index:
                others.setdefault(name, []).append(index)
        # In this order: another thread may look already.
        self._others = others
        self._first = first

    def names(self) -> list[str]:
        """All names."""
        return self._names


def _is_end(name: str) -> bool:
    """Whether a symbol beside one of `_ENDS` marks an end too: __indirect_thunk_end, __stop_notes."""
    return name in _ENDS or name.endswith("_end") or name.startswith(("__stop_", "__end_"))


def module_regions() -> dict[str, range]:
    """Where each module lies: since 6.4 (ac3b43283923) where its code begins, with the size of all of it."""
    regions = {}
    try:
        with open("/proc/modules") as file:
            for line in file:
                name, size, _, _, _, address, *_ = line.split()
                regions[name] = range(int(address, 16), int(address, 16) + int(size))
    except FileNotFoundError:
        pass  # a kernel without modules
    return regions


def _read() -> str:
    try:
        with open(PATH, encoding="ascii", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        hint = (
            "This kernel was built without a list of its symbols (CONFIG_KALLSYMS), or /proc is not mounted."
        )
        raise NotSupportedError(errno.EOPNOTSUPP, "read", PATH, hint=hint) from None
    except OSError as error:
        raise from_errno(error.errno or 0, "read", PATH) from error


def _parse(text: str, programs: bool) -> list[tuple[int, str, str]]:
    """Address, name and module of each symbol that has an address of its own."""
    # The kernel's own come first, and have no module behind them.
    first = text.find("\t[")
    end = len(text) if first < 0 else text.rfind("\n", 0, first) + 1
    own = _LINE.findall(text, 0, end)
    addresses = [int(address, 16) for address, _, _ in own]
    if not any(addresses):
        raise _hidden()
    # Below the kernel lie no symbols but offsets: those of per-CPU variables, before 6.15. Without
    # CONFIG_KALLSYMS_ALL the list has functions, and a few marks in data, between which is anything.
    begin = min((int(address, 16) for address, _, name in own if name in _BEGINS), default=0)
    kinds = _ANY_KIND if " _end\n" in text else _FUNCTIONS
    symbols = [
        (address, name, "")
        for address, (_, kind, name) in zip(addresses, own, strict=True)
        if address >= begin and kind in kinds
    ]
    for line in text[end:].splitlines():
        address, _, name, module = line.split()
        if module == "[bpf]" and (found := _PROGRAM.fullmatch(name)):
            if not programs:
                continue
            name = found[1]
        elif name.startswith(_MAPPING):
            continue
        symbols.append((int(address, 16), name, module[1:-1]))
    return symbols


def _hidden() -> PermissionDeniedError:
    """Why the kernel shows zeros in place of addresses (kernel/ksyms_common.c:kallsyms_show_value)."""
    if _setting("kptr_restrict") >= 2:
        hint = (
            "kernel.kptr_restrict is 2, which hides them from everybody: `sysctl kernel.kptr_restrict=1` "
            "shows them to root."
        )
    else:
        hint = (
            "Run it as root, or grant CAP_SYSLOG. To show them to everybody, set the sysctls "
            "kernel.kptr_restrict to 0 and kernel.perf_event_paranoid to 1 or less."
        )
    return PermissionDeniedError(errno.EPERM, "read the addresses of kernel symbols from", PATH, hint=hint)


def _setting(name: str) -> int:
    try:
        with open(f"/proc/sys/kernel/{name}") as file:
            return int(file.read())
    except OSError:
        return 0
