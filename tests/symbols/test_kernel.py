# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Addresses of the kernel and its modules to names, and back."""

from __future__ import annotations

import functools
import itertools
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.symbols import KernelSymbols, Symbol
from tests.symbols.conftest import kallsyms, run_with_capabilities

pytestmark = pytest.mark.needs("root")

FUNCTION = "__x64_sys_getpgid"


@functools.cache
def functions() -> dict[int, list[str]]:
    """The kernel's own functions by address; those of the same address as the kernel orders them."""
    found: dict[int, list[str]] = {}
    for address, kind, name in kallsyms(""):
        if kind in "tTwW":
            found.setdefault(address, []).append(name)
    return found


def test_an_address_in_a_function_has_its_name_and_offset(kernel: KernelSymbols) -> None:
    address = kernel.address_of("vfs_read")
    assert address in functions()
    symbol = kernel.find(address + 5)
    assert symbol is not None
    assert (symbol.name, symbol.module, symbol.address, symbol.offset) == ("vfs_read", "", address, 5)
    assert symbol.program_id is None
    assert str(symbol) == f"vfs_read+0x5/{symbol.size:#x}"
    assert kernel.find(address + 5) is symbol
    assert kernel.find(address + symbol.size) != symbol


def test_each_function_is_found_from_its_first_byte_to_its_last(kernel: KernelSymbols) -> None:
    found = functions()
    addresses = sorted(found)
    for address, following in list(itertools.pairwise(addresses))[::97]:
        names = found[address]
        if "_etext" in names or "_einittext" in names or "_end" in names:
            continue
        first, last = kernel.find(address), kernel.find(following - 1)
        assert first is not None
        assert (first.name, first.address, first.offset) == (names[0], address, 0)
        if last is not None and last.address == address:
            assert last.offset == following - 1 - address < first.size


def test_of_several_names_of_an_address_the_kernels_first_is_taken(kernel: KernelSymbols) -> None:
    several = [(address, names) for address, names in functions().items() if len(names) > 1]
    for address, names in several[:50]:
        symbol = kernel.find(address)
        assert symbol is None or symbol.name == names[0]
        assert all(address in kernel.addresses_of(name) for name in names)


def test_an_address_in_no_symbol_has_none(kernel: KernelSymbols) -> None:
    begin, end = kernel.address_of("_stext"), kernel.address_of("_etext")
    for address in (0, 1, 0x1000, 0x7FFF_FFFF_F000, begin - (1 << 30), 2**64 - 1, 2**64):
        assert kernel.find(address) is None
    # Where the code ends, there may be something else.
    after = kernel.find(end)
    assert after is None or not after.name.endswith(("_etext", "_end"))


def test_a_name_that_is_not_there_is_an_error_with_those_like_it(kernel: KernelSymbols) -> None:
    with pytest.raises(bpf.NameNotFoundError, match=r"no symbol of the kernel .*'vfs_raed'.*'vfs_read'"):
        kernel.address_of("vfs_raed")
    with pytest.raises(bpf.NameNotFoundError, match="symbol of module no_such_module"):
        kernel.address_of("vfs_read", module="no_such_module")


def test_a_name_of_several_symbols_is_an_error_and_all_can_be_had(kernel: KernelSymbols) -> None:
    names = Counter(name for names in functions().values() for name in names)
    name, count = next((name, count) for name, count in names.items() if count > 1)
    with pytest.raises(ValueError, match=f"{count} symbols are called '{name}'"):
        kernel.address_of(name, module="")
    addresses = kernel.addresses_of(name, module="")
    assert list(addresses) == sorted(address for address, names in functions().items() if name in names)


@pytest.mark.needs("modules", "own_kernel")
def test_a_function_of_a_module_has_the_modules_name(kernel: KernelSymbols) -> None:
    text = Path("/proc/kallsyms").read_text()
    for line in Path("/proc/modules").read_text().splitlines():
        module = line.split()[0]
        addresses = {(address, name) for address, kind, name in kallsyms(module, text) if kind in "tT"}
        assert addresses
        for address, name in addresses:
            symbol = kernel.find(address + 1)
            assert symbol is not None
            assert (symbol.module, symbol.address) == (module, address)
            assert address in kernel.addresses_of(name, module=module)
            assert str(symbol).endswith(f" [{module}]")


@pytest.mark.needs("modules", "own_kernel")
def test_a_module_that_is_loaded_later_is_found() -> None:
    path = next(
        path
        for path in sorted(Path("/modules").glob("*.ko"))
        for line in Path("/proc/modules").read_text().splitlines()
        if line.split()[0] == path.stem[3:].replace("-", "_") and line.split()[2] == "0"
    )
    module = path.stem[3:].replace("-", "_")
    subprocess.run(["rmmod", module], check=True)
    try:
        symbols = KernelSymbols()
        with pytest.raises(bpf.NameNotFoundError):
            symbols.addresses_of("init_module", module=module)
    finally:
        subprocess.run(["insmod", str(path)], check=True)
    address, name = next((address, name) for address, kind, name in kallsyms(module) if kind in "tT")
    symbol = symbols.find(address)
    assert symbol is not None
    assert symbol.module == module
    assert address in symbols.addresses_of(name, module=module)


def test_hidden_addresses_are_an_error_that_says_what_to_do() -> None:
    script = """
import pylibbpf as bpf
from pylibbpf.symbols import KernelSymbols
drop()
try:
    KernelSymbols()
except bpf.PermissionDeniedError as error:
    print(error)
else:
    print("shown")
"""
    said = run_with_capabilities(0, script)
    sysctl = Path("/proc/sys/kernel")
    restricted = int((sysctl / "kptr_restrict").read_text())
    if restricted == 0 and int((sysctl / "perf_event_paranoid").read_text()) <= 1:
        assert said == "shown\n"
        return
    assert "cannot read the addresses of kernel symbols from /proc/kallsyms" in said
    assert ("kernel.kptr_restrict is 2" if restricted >= 2 else "grant CAP_SYSLOG") in said


@pytest.mark.needs("own_kernel")
def test_addresses_that_are_hidden_from_root_too_say_which_setting() -> None:
    setting = Path("/proc/sys/kernel/kptr_restrict")
    before = setting.read_text()
    setting.write_text("2")
    try:
        with pytest.raises(bpf.PermissionDeniedError, match=r"kernel\.kptr_restrict is 2.*`sysctl"):
            KernelSymbols()
    finally:
        setting.write_text(before)


def test_who_gives_up_rights_keeps_what_was_read() -> None:
    script = """
import pylibbpf as bpf
from pylibbpf.symbols import KernelSymbols
symbols = KernelSymbols()
drop()
print(symbols.find(symbols.address_of("vfs_read")).name, symbols.find(1), symbols.find(1))
"""
    assert run_with_capabilities(0, script) == "vfs_read None None\n"


def test_a_symbol_is_a_value() -> None:
    symbol = Symbol("name", "", 4096, 64, 1)
    assert symbol == Symbol("name", "", 4096, 64, 1)
    assert len({symbol, Symbol("name", "", 4096, 64, 1)}) == 1
    with pytest.raises(AttributeError):
        symbol.name = "other"  # type: ignore[misc]
