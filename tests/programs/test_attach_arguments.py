# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What `attach()` wants to be told: nothing where the section says it, and the rest by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

import pylibbpf as bpf
from pylibbpf.programs import Extension, FEntry
from pylibbpf.programs.kinds import KINDS

pytestmark = pytest.mark.host("about signatures, and programs that no kernel sees")

Find = Callable[[str], Path]

# What has no attach(): what a map, a route, a filter or a device takes, and what is called.
ELSEWHERE = {"SchedAct", "LircMode2", "LwtIn", "LwtOut", "LwtXmit", "LwtSeg6Local", "StructOps", "Syscall"}

# Which word of the message names what is missing, by the programs of tests/bpf/bare.bpf.c.
MISSING = {
    "on_kprobe": "the function",
    "on_kretprobe": "the function",
    "on_ksyscall": "the system call",
    "on_kretsyscall": "the system call",
    "on_kprobe_multi": "a pattern, functions or addresses",
    "on_kretprobe_multi": "a pattern, functions or addresses",
    "on_kprobe_session": "a pattern, functions or addresses",
    "on_uprobe": "the path, and a symbol or offset in it",
    "on_uretprobe": "the path, and a symbol or offset in it",
    "on_uprobe_multi": "the path, and a pattern, symbols or offsets in it",
    "on_uretprobe_multi": "the path, and a pattern, symbols or offsets in it",
    "on_uprobe_session": "the path, and a pattern, symbols or offsets in it",
    "on_usdt": "the path, the provider and the name",
    "on_tracepoint": "the category and name of a tracepoint",
    "on_raw_tracepoint": "the name of a tracepoint",
    "on_raw_tracepoint_writable": "the name of a tracepoint",
}
# These are loaded for their target: load() wants it.
LOADED_FOR_A_TARGET = ("fentry", "fexit", "fmod_ret", "tp_btf", "iter", "lsm")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_no_section_can_say_is_wanted_by_name(kind: type[bpf.Program]) -> None:
    attach = getattr(kind, "attach", None)
    assert (attach is None) == (kind.__name__ in ELSEWHERE)
    if attach is None:
        return
    wanted = [
        parameter.name
        for parameter in list(inspect.signature(attach).parameters.values())[1:]
        if parameter.default is parameter.empty
    ]
    # Kinds that libbpf attaches by their sections need nothing, the others what they attach to.
    assert bool(wanted) != kind._attaches_itself
    if wanted:
        with pytest.raises(TypeError, match=f"'{wanted[0]}'"):
            attach(object.__new__(kind))


@pytest.mark.needs("libbpf_1_7")
def test_a_section_that_says_nothing_leaves_it_to_the_caller(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("bare")) as obj:
        assert set(obj.programs) == {*MISSING, *(f"on_{name}" for name in LOADED_FOR_A_TARGET)}
        for name, words in MISSING.items():
            with pytest.raises(TypeError, match=f"program '{name}': attach\\(\\) needs {words}$"):
                obj.programs[name].attach()  # type: ignore[attr-defined]


@pytest.mark.needs("root", "vmlinux_btf", "prepare")
@pytest.mark.parametrize("section", LOADED_FOR_A_TARGET)
def test_a_program_that_is_loaded_for_a_target_wants_it_at_load(bpf_object: Find, section: str) -> None:
    with bpf.Object.open(bpf_object("bare")) as obj:
        for program in obj.programs.values():
            program.autoload = False
        with pytest.raises(TypeError, match=f"program 'on_{section}': .* names no target, and load"):
            obj.programs[f"on_{section}"].load()  # type: ignore[attr-defined]


@pytest.mark.needs("root", "vmlinux_btf")
def test_an_object_names_the_program_without_a_target(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("bare")) as obj:
        for program in obj.programs.values():
            program.autoload = program.name == "on_fentry"
        with pytest.raises(bpf.BpfError, match=r"'on_fentry' names no target: say it by set_attach_target"):
            obj.load()


@pytest.mark.needs("root", "vmlinux_btf", "prepare")
def test_a_module_that_is_not_there_is_named(bpf_object: Find) -> None:
    with bpf.Object.open(bpf_object("bare")) as obj:
        program = obj.program("on_fentry", FEntry)
        with pytest.raises(bpf.NotFoundError, match="nonesuch:function"):
            program.set_attach_target("nonesuch:function")
        for other in obj.programs.values():
            other.autoload = False
        with pytest.raises(bpf.NotFoundError, match=r"module 'nonesuch'.*\n.*No such module is loaded"):
            program.load("nonesuch:function")


def test_an_extension_wants_the_program_that_it_extends() -> None:
    with pytest.raises(TypeError, match="'program'"):
        Extension.load(object.__new__(Extension), "function")  # type: ignore[call-arg]
