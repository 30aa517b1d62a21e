# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""KernelSymbols: addresses of the kernel, its modules and BPF programs to names, and back."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

from ..errors import NameNotFoundError
from .kallsyms import Kallsyms, module_regions
from .programs import Function, ProgramCode
from .stack import frames_of
from .symbol import Frame, SourceLine, Symbol, worth_comparing

if TYPE_CHECKING:
    from typing_extensions import Buffer

# How many answers are kept. It is more than the kernel has functions.
_KEPT = 1 << 18


class KernelSymbols:
    """The symbols of the running kernel, of its modules and of the BPF programs in it::

        symbols = bpf.symbols.KernelSymbols()
        for frame in symbols.stack(obj.maps["stacks"][id]):
            print(frame)

    It is a picture of the moment when it is made, in memory alone: there is nothing to close. An
    address or a name that it does not know makes it look for modules and programs that were loaded
    since. The addresses of what was unloaded keep their names, so that a stack can be read later,
    until another program lies there, or `refresh()`.

    Code of BPF programs has the module "bpf", and the names and source lines of their C functions.
    A process without CAP_SYS_ADMIN may not look at programs: it has the names that are in kallsyms, no
    lines, and those of programs that are loaded later after a `refresh()`.

    Raises:
        PermissionDeniedError: the kernel hides its addresses (kernel.kptr_restrict, CAP_SYSLOG).
        NotSupportedError: the kernel has no list of its symbols (CONFIG_KALLSYMS).

    Kernel: 5.0 for the names and lines of BPF programs. Files: /proc/kallsyms, /proc/modules.
    """

    def __init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Reads everything again, as it is now."""
        programs = ProgramCode()
        self._use(Kallsyms(programs=not programs.readable), programs)

    def _use(self, kallsyms: Kallsyms, programs: ProgramCode) -> None:
        self._kallsyms = kallsyms
        self._programs = programs
        # New dictionaries: a thread that looks something up meanwhile has the old ones.
        self._found: dict[int, Symbol] = {}
        self._lines: dict[int, SourceLine | None] = {}

    def find(self, address: int) -> Symbol | None:
        """The symbol that an address lies in; None if there is none.

        Of several with the same address it is the one that the kernel prints.
        """
        found = self._found
        try:
            return found[address]
        except KeyError:
            pass
        symbol = self._look_up(address)
        if symbol is None and self._catch_up():
            symbol = self._look_up(address)
        # That there is nothing is not kept, and neither are programs: others may be loaded there.
        if symbol is not None and symbol.program_id is None:
            found = self._found
            if len(found) >= _KEPT:
                found.clear()
            found[address] = symbol
        return symbol

    def _look_up(self, address: int) -> Symbol | None:
        function = self._function(address)
        return self._kallsyms.find(address) if function is None else function.symbol(address)

    def _function(self, address: int) -> Function | None:
        """The function of a BPF program that an address lies in.

        The kernel uses the memory of an unloaded program soon again, and for functions of the same
        size the same: so it is asked each time whether there are new ones, which is one system call.
        """
        programs = self._programs
        if not programs.may_have(address):
            return None
        if programs.catch_up():
            self._use(self._kallsyms, programs)
        return programs.find(address)

    def _catch_up(self) -> bool:
        """Takes in the modules and programs that were loaded since; whether there were any."""
        programs = self._programs.catch_up()
        regions = module_regions()
        # A process that gave up its rights since is shown zeros; it keeps what was read.
        if regions != self._kallsyms.regions and all(region.start for region in regions.values()):
            kallsyms = Kallsyms(programs=not self._programs.readable)
        elif programs:
            kallsyms = self._kallsyms
        else:
            return False
        self._use(kallsyms, self._programs)
        return True

    def source(self, address: int) -> SourceLine | None:
        """The line of C that an address in code of a BPF program comes from.

        None where there is none: elsewhere in the kernel, for a program without BTF (compile it with
        -g), and where the kernel does not let this process look at programs.

        libbpf: bpf_prog_linfo__lfind_addr_func (5.0).
        """
        symbol = self.find(address)
        function = self._programs.find(address) if symbol and symbol.module == "bpf" else None
        if function is None:
            return None
        lines = self._lines
        try:
            return lines[address]
        except KeyError:
            pass
        line = function.code.line(address, function.index)
        if len(lines) >= _KEPT:
            lines.clear()
        lines[address] = line
        return line

    def address_of(self, name: str, *, module: str | None = None) -> int:
        """The address of a symbol.

        Args:
            name: the symbol's name; for BPF programs that of a C function.
            module: "" for the kernel itself, a module's name, "bpf"; by default any.

        Raises:
            NameNotFoundError: there is no such symbol.
            ValueError: there are several; `addresses_of()` has them all.
        """
        addresses = self.addresses_of(name, module=module)
        if len(addresses) > 1:
            shown = ", ".join(f"{address:#x}" for address in addresses[:8])
            raise ValueError(f"{len(addresses)} symbols are called '{name}': at {shown}")
        return addresses[0]

    def addresses_of(self, name: str, *, module: str | None = None) -> tuple[int, ...]:
        """The addresses of all symbols of a name, in ascending order; at least one.

        Args:
            name: the symbols' name.
            module: "" for the kernel itself, a module's name, "bpf"; by default any.

        Raises:
            NameNotFoundError: there is no such symbol.
        """
        found = self._addresses(name, module)
        if not found and self._catch_up():
            found = self._addresses(name, module)
        if not found:
            where = "symbol of the kernel" if not module else f"symbol of module {module}"
            names = chain(self._kallsyms.names(), self._programs.names())
            raise NameNotFoundError(where, name, worth_comparing(name, names))
        return tuple(sorted(found))

    def _addresses(self, name: str, module: str | None) -> set[int]:
        found = set(self._kallsyms.addresses_of(name, module))
        return found if module not in (None, "bpf") else found.union(self._programs.addresses_of(name))

    def stack(self, stack: Iterable[int] | Buffer) -> list[Frame]:
        """The frames of a kernel stack, the innermost first, with source lines for code of BPF programs.

        Args:
            stack: addresses, as `maps.StackTrace` has them, or what bpf_get_stack() or
                bpf_get_task_stack() filled: bytes, an array, a field of an event. It ends at a zero.

        Raises:
            TypeError, ValueError: it is no stack.
        """
        return frames_of(stack, self._frame)

    def _frame(self, address: int, inside: int) -> Frame:
        symbol = self.find(inside)
        if symbol is None:
            return Frame(address)
        source = self.source(inside) if symbol.module == "bpf" else None
        return Frame(address, symbol.moved(address - inside), source)
