# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the running kernel supports: `has_map_type(MapType.ARENA)`, or all of it as data, `report()`.

The kernel is asked, by trying. Version numbers are never compared, so that
backports and configurations are seen. An answer that the kernel gave is kept
for the life of the process; where it gave none, because this process may not
ask, the error is raised and nothing is kept::

    from pylibbpf import MapType, features

    if features.has_map_type(MapType.RINGBUF):
        ...
"""

from __future__ import annotations

import errno
import functools
import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ._native import Call, _new_record, ffi, invoke, lib
from .enums import AttachFlags, AttachType, LinkType, MapType, ProgramFlags, ProgramType
from .errors import ENOTSUPP, BpfError, Error, NotSupportedError, PermissionDeniedError, from_errno
from .helpers import Helper
from .permissions import held_capabilities
from .suggestions import close_matches, did_you_mean

if TYPE_CHECKING:
    from .btf import BtfBuilder, Kind

_NO_RIGHT = {errno.EPERM, errno.EACCES}
# What says nothing about the type that was tried.
_INCONCLUSIVE = {*_NO_RIGHT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR}

# An fd that no process has, for calls that are to fail once they have looked at the rest.
_NO_FD = 0x3FFF_FFFF


# What a program of these types attaches to where it is tried: an attach type, and a function
# that kernels of the type have.
_ATTACHED_TO = {
    ProgramType.TRACING: (AttachType.TRACE_ITER, "bpf_iter_bpf_map"),
    ProgramType.LSM: (AttachType.LSM_MAC, "bpf_lsm_file_open"),
}

# Their helpers are those of what they attach to.
_OF_THE_TARGET = {ProgramType.EXT, ProgramType.STRUCT_OPS}


# --- programs -----------------------------------------------------------------------


@functools.cache
def has_program_type(type: ProgramType | int | str) -> bool:
    """Whether programs of a type can be loaded.

    Args:
        type: `ProgramType.XDP`, its number, or its name, "xdp".

    Raises:
        ValueError: there is no type of that name.
        PermissionDeniedError: this process may not load them, so that nobody can tell.
        NotSupportedError: the libbpf in use does not know the type, so that nobody can tell.

    libbpf: libbpf_probe_bpf_prog_type.
    """
    type = _member(ProgramType, type, "program type")
    what = f"programs of type {type.name}"
    if type in _ATTACHED_TO and _loads_attached(type):
        # libbpf tries a function's entry, which a kernel without trampolines refuses.
        return True
    return _probed(lib.call_libbpf_probe_bpf_prog_type, type, what)


def _loads_attached(type: ProgramType) -> bool:
    """Whether a program that attaches to a function of the kernel can be loaded; no rights are no answer."""
    attach_type, function = _ATTACHED_TO[type]
    try:
        target = _kernel().functions.get(function, 0)
    except BpfError:
        return False
    return not _load(type, _RETURN_ZERO, attach_type=attach_type, attach_to=target).errno


@functools.cache
def has_program_flag(flag: ProgramFlags | int) -> bool:
    """Whether programs can be loaded with a flag, such as `ProgramFlags.SLEEPABLE`.

    Raises:
        PermissionDeniedError: this process may not load programs, so that nobody can tell.
    """
    # Without instructions: flags are looked at first (kernel/bpf/syscall.c:bpf_prog_load).
    done = _load(ProgramType.SOCKET_FILTER, b"", flags=int(flag))
    _require_rights(done, f"programs with the flag {ProgramFlags(flag)!r}")
    if flag & ProgramFlags.TOKEN_FD:
        return done.errno == errno.EBADF  # older kernels know neither the flag nor the field
    return done.errno != errno.EINVAL


@functools.cache
def has_instructions(version: int) -> bool:
    """Whether the kernel knows an instruction set, clang's `-mcpu`: 1, 2 (4.14), 3 (5.1) or 4 (6.6).

    Raises:
        PermissionDeniedError: this process may not load programs, so that nobody can tell.
        ValueError: there is no such instruction set.
    """
    if version not in _NEW_IN_VERSION:
        known = ", ".join(map(str, _NEW_IN_VERSION))
        raise ValueError(f"there is no instruction set {version!r}: there are {known}")
    return _loads(_NEW_IN_VERSION[version] + _RETURN_ZERO, f"instructions of v{version}")


@functools.cache
def has_large_programs() -> bool:
    """Whether programs can have a million instructions, and not 4096 (5.2).

    Raises:
        PermissionDeniedError: this process may not load programs, so that nobody can tell.
    """
    return _loads(_instruction(0xB7) * 4096 + _RETURN_ZERO, "programs of more than 4096 instructions")


@functools.cache
def has_bounded_loops() -> bool:
    """Whether programs can have loops (5.3).

    Raises:
        PermissionDeniedError: this process may not load programs, so that nobody can tell.
    """
    loop = (
        _instruction(0xB7, 0, 0, 10)  # r0 = 10
        + _instruction(0x07, 0, 0, -1)  # r0 -= 1
        + _instruction(0x55, 0, -2, 0)  # if r0 != 0 goto the line before
        + _instruction(0x95)  # exit
    )
    return _loads(loop, "programs with loops")


# --- helpers -------------------------------------------------------------------------


@functools.cache
def has_helper(helper: Helper | int | str, program_type: ProgramType | int | str) -> bool:
    """Whether programs of a type can call a helper function.

    Tracing programs are asked about as iterators, and LSM programs as those of file_open.

    Args:
        helper: `Helper.RINGBUF_OUTPUT`, its number, or its name, "bpf_ringbuf_output".
        program_type: the type of program, as for `has_program_type`.

    Raises:
        PermissionDeniedError: this process may not load such programs, so that nobody can tell.
        NotSupportedError: nobody can tell for programs of this type (EXT and STRUCT_OPS, whose helpers
            depend on what they attach to), or this kernel loads none of them here.
        ValueError: there is no helper, or no type of program, of that name.

    libbpf: libbpf_probe_bpf_helper.
    """
    helper, program_type = _helper(helper), _member(ProgramType, program_type, "program type")
    what = f"bpf_{helper.name.lower()} in programs of type {program_type.name}"
    if program_type in _OF_THE_TARGET:
        raise NotSupportedError(
            errno.EOPNOTSUPP, "tell whether the kernel has", what, hint="It depends on the attach target."
        )
    if not has_program_type(program_type):
        return False
    if program_type in _ATTACHED_TO:
        return _verifier_knows(helper, program_type, what)
    # libbpf says yes to EPERM, and has_program_type was sure that it is none.
    result = lib.libbpf_probe_bpf_helper(program_type, helper, ffi.NULL)
    if result < 0:
        raise from_errno(-result, "tell whether the kernel has", what)
    return bool(result) or _is_refusal(what)


def helpers(program_type: ProgramType | int | str) -> frozenset[Helper]:
    """All helper functions that programs of a type can call. Some 200 probes. Raises as `has_helper`."""
    return frozenset(helper for helper in Helper if helper and has_helper(helper, program_type))


def _helper(helper: Helper | int | str) -> Helper:
    if not isinstance(helper, str):
        return Helper(helper)
    name = helper.upper().removeprefix("BPF_FUNC_").removeprefix("BPF_")
    if name not in Helper.__members__:
        close = [f"bpf_{match.lower()}" for match in close_matches(name, Helper.__members__)]
        raise ValueError(f"there is no helper {helper!r}{did_you_mean(close)}")
    return Helper[name]


def _verifier_knows(helper: Helper, program_type: ProgramType, what: str) -> bool:
    attach_type, function = _ATTACHED_TO[program_type]
    target = _kernel().functions.get(function)
    if target is None:
        raise NotSupportedError(
            errno.EOPNOTSUPP, "tell whether the kernel has", what, hint=f"It has no function {function}."
        )
    done = _load(
        program_type,
        _instruction(0x85, 0, 0, helper) + _RETURN_ZERO,
        attach_type=attach_type,
        attach_to=target,
        verify=True,
    )
    log = "".join(done.messages)
    if done.errno and not log.strip():
        raise from_errno(done.errno, "tell whether the kernel has", what)
    # kernel/bpf/verifier.c:check_helper_call
    refusals = ("invalid func ", "unknown func ", "program of this type cannot use helper ")
    return not done.errno or not any(refusal in log for refusal in refusals) or _is_refusal(what)


def _is_refusal(what: str) -> bool:
    """False, if the kernel's no is one to everybody: it hides some helpers from those without rights."""
    if not held_capabilities() & {"CAP_PERFMON", "CAP_SYS_ADMIN"}:
        raise PermissionDeniedError(
            errno.EPERM,
            "tell whether the kernel has",
            what,
            hint="Without CAP_PERFMON the kernel hides some helpers.",
        )
    return False


# --- maps ------------------------------------------------------------------------------


@functools.cache
def has_map_type(type: MapType | int | str) -> bool:
    """Whether maps of a type can be created.

    Args:
        type: `MapType.ARENA`, its number, or its name, "arena".

    Raises:
        ValueError: there is no type of that name.
        PermissionDeniedError: this process may not create them, so that nobody can tell.
        NotSupportedError: the libbpf in use does not know the type, so that nobody can tell.

    libbpf: libbpf_probe_bpf_map_type.
    """
    type = _member(MapType, type, "map type")
    what = f"maps of type {type.name}"
    if type == MapType.STRUCT_OPS:
        return _has_struct_ops(what)
    return _probed(lib.call_libbpf_probe_bpf_map_type, type, what)


def _has_struct_ops(what: str) -> bool:
    """libbpf 1.7 asks with a field that kernels before 6.9 do not have, and takes their no for an answer."""
    options = ffi.new("struct bpf_map_create_opts *")
    options.sz = ffi.sizeof("struct bpf_map_create_opts")
    options.btf_vmlinux_value_type_id = 1
    done = _closed(invoke(lib.call_bpf_map_create, MapType.STRUCT_OPS, ffi.NULL, 4, 4, 1, options))
    _require_rights(done, what)
    return done.errno == ENOTSUPP  # the type 1 is no struct of operations


# --- links and attachments -----------------------------------------------------------------

# A function that the kernel has if it has links of the type: enumerators are there also where the
# configuration leaves out what is behind them.
_LINK_FUNCTIONS = {
    LinkType.RAW_TRACEPOINT: "bpf_raw_tp_link_release",
    LinkType.TRACING: "bpf_tracing_link_release",
    LinkType.CGROUP: "bpf_cgroup_link_release",
    LinkType.ITER: "bpf_iter_link_release",
    LinkType.NETNS: "bpf_netns_link_release",
    LinkType.XDP: "bpf_xdp_link_release",
    LinkType.PERF_EVENT: "bpf_perf_link_release",
    LinkType.KPROBE_MULTI: "bpf_kprobe_multi_link_release",
    LinkType.STRUCT_OPS: "bpf_struct_ops_map_link_dealloc",
    LinkType.NETFILTER: "bpf_nf_link_release",
    LinkType.TCX: "tcx_link_release",
    LinkType.UPROBE_MULTI: "bpf_uprobe_multi_link_release",
    LinkType.NETKIT: "netkit_link_release",
    LinkType.SOCKMAP: "sock_map_link_release",
}


@functools.cache
def has_link_type(type: LinkType | int | str) -> bool:
    """Whether the kernel has links of a type. Its BTF, or /proc/kallsyms, says so; no rights are needed.

    Args:
        type: `LinkType.TCX`, its number, or its name, "tcx".

    Raises:
        ValueError: there is no type of that name.
        NotSupportedError: the kernel has neither, or the type is newer than this package, so that
            nobody can tell.
    """
    type = _member(LinkType, type, "link type")
    function = _LINK_FUNCTIONS.get(type)
    if function is None:
        raise NotSupportedError(errno.EOPNOTSUPP, "tell whether the kernel has", f"links of type {type.name}")
    return _has_function(function)


@functools.cache
def has_attach_type(type: AttachType | int | str) -> bool:
    """Whether the kernel knows an attach type, as its BTF says; no rights are needed.

    Args:
        type: `AttachType.LSM_CGROUP`, its number, or its name, "lsm_cgroup".

    Raises:
        ValueError: there is no type of that name.
        NotSupportedError: the kernel has no BTF, so that nobody can tell.
    """
    return f"BPF_{_member(AttachType, type, 'attach type').name}" in _kernel().attach_types


@functools.cache
def has_attach_flag(flag: AttachFlags | int, attach_type: AttachType | int | str) -> bool:
    """Whether attaching without a link takes a flag, such as `AttachFlags.PREORDER` for a cgroup.

    Args:
        flag: the flag.
        attach_type: where: `AttachType.CGROUP_INET_INGRESS`, `AttachType.TCX_INGRESS`.

    Raises:
        PermissionDeniedError: this process may not attach, so that nobody can tell.
    """
    options = ffi.new("struct bpf_prog_attach_opts *")
    options.sz = ffi.sizeof("struct bpf_prog_attach_opts")
    options.flags = int(flag)
    # The kernel looks at the flags before it looks for the program (kernel/bpf/syscall.c:bpf_prog_attach).
    where = _member(AttachType, attach_type, "attach type")
    result = lib.bpf_prog_attach_opts(_NO_FD, _NO_FD, where, options)
    done = Call(result, -result, [])
    _require_rights(done, f"attaching with {AttachFlags(flag)!r}")
    return done.errno == errno.EBADF


# --- BTF -----------------------------------------------------------------------------


@functools.cache
def has_btf_kind(kind: Kind | int | str) -> bool:
    """Whether BTF with types of a kind can be loaded into the kernel.

    Raises:
        PermissionDeniedError: this process may not load BTF, so that nobody can tell.
    """
    from .btf import BtfBuilder
    from .btf.types import kind_of

    kind = kind_of(kind)
    with BtfBuilder() as built:
        _one_of_kind(built, kind)
        image = built.to_bytes()
    done = _closed(invoke(lib.call_bpf_btf_load, ffi.from_buffer(image), len(image), ffi.NULL))
    _require_rights(done, f"BTF of kind {kind.name}")
    return not done.errno


def _one_of_kind(built: BtfBuilder, kind: Kind) -> None:
    """Adds a type of a kind, and what it needs."""
    from .btf import Kind, Linkage

    number = built.add_int("int", 4, signed=True)
    makers: dict[Kind, Callable[[], object]] = {
        Kind.PTR: lambda: built.add_ptr(number),
        Kind.ARRAY: lambda: built.add_array(number, 2),
        Kind.STRUCT: lambda: built.add_struct("s", 4, [("a", number, 0)]),
        Kind.UNION: lambda: built.add_union("u", 4, [("a", number)]),
        Kind.ENUM: lambda: built.add_enum("e", {"A": 1}),
        Kind.FWD: lambda: built.add_fwd("f"),
        Kind.TYPEDEF: lambda: built.add_typedef("t", number),
        Kind.VOLATILE: lambda: built.add_volatile(number),
        Kind.CONST: lambda: built.add_const(number),
        Kind.RESTRICT: lambda: built.add_restrict(built.add_ptr(number)),
        Kind.FUNC: lambda: built.add_func("f", built.add_func_proto(0), Linkage.STATIC),
        Kind.FUNC_PROTO: lambda: built.add_func_proto(0),
        Kind.VAR: lambda: built.add_var("v", number, Linkage.STATIC),
        Kind.DATASEC: lambda: built.add_datasec(".bss", 4, [(built.add_var("v", number), 0, 4)]),
        Kind.FLOAT: lambda: built.add_float("float", 4),
        Kind.DECL_TAG: lambda: built.add_decl_tag("tag", built.add_struct("s", 4, [("a", number, 0)])),
        Kind.TYPE_TAG: lambda: built.add_ptr(built.add_type_tag("tag", number)),
        Kind.ENUM64: lambda: built.add_enum("e", {"A": 1 << 40}, size=8),
    }
    makers.get(kind, lambda: None)()


# --- all of it ---------------------------------------------------------------------------


def report(*, helpers: bool = False) -> dict[str, Any]:
    """Everything that this module can tell, as data that the module json can write.

    Args:
        helpers: also the helper functions of every program type, which takes some thousand probes.

    Returns:
        "kernel", its release; "program_types", "map_types", "link_types", "attach_types",
        "program_flags", "btf_kinds": a bool by name, and None where nobody can tell; "attach_flags": the
        same by "cgroup" and "tcx"; "instruction_sets": the versions known; "limits": see `limits`;
        "helpers", if wanted: names by program type, without the types whose helpers depend on what
        they attach to.
    """
    import os

    from .btf import Kind

    found: dict[str, Any] = {
        "kernel": os.uname().release,
        "program_types": _answers(has_program_type, ProgramType),
        "map_types": _answers(has_map_type, MapType),
        "link_types": _answers(has_link_type, LinkType),
        "attach_types": _answers(has_attach_type, AttachType, unspecified=True),
        "program_flags": _answers(has_program_flag, ProgramFlags),
        "attach_flags": {
            "cgroup": _answers(
                lambda flag: has_attach_flag(flag, AttachType.CGROUP_INET_INGRESS), AttachFlags
            ),
            "tcx": _answers(lambda flag: has_attach_flag(flag, AttachType.TCX_INGRESS), AttachFlags),
        },
        "btf_kinds": _answers(has_btf_kind, Kind),
        "instruction_sets": [version for version in _NEW_IN_VERSION if _answer(has_instructions, version)],
        "limits": limits(),
    }
    if helpers:
        found["helpers"] = {
            type.name: [helper.name for helper in Helper if helper and _answer(has_helper, helper, type)]
            for type in ProgramType
            if type not in _OF_THE_TARGET and _answer(has_program_type, type)
        }
    return found


def limits() -> dict[str, int | bool | None]:
    """Limits and settings of the kernel; None where nobody can tell.

    Returns:
        "instructions": the most that a program can have; "bounded_loops": whether it can have loops;
        "possible_cpus": values of a per-CPU map for each key; "page_size": bytes; "jit":
        net.core.bpf_jit_enable; "unprivileged_disabled": kernel.unprivileged_bpf_disabled;
        "stats": kernel.bpf_stats_enabled.
    """
    import os

    from .system import num_possible_cpus

    large = _answer(has_large_programs)
    return {
        "instructions": None if large is None else 1_000_000 if large else 4096,
        "bounded_loops": _answer(has_bounded_loops),
        "possible_cpus": num_possible_cpus(),
        "page_size": os.sysconf("SC_PAGE_SIZE"),
        "jit": _setting("net/core/bpf_jit_enable"),
        "unprivileged_disabled": _setting("kernel/unprivileged_bpf_disabled"),
        "stats": _setting("kernel/bpf_stats_enabled"),
    }


def _answers(
    probe: Callable[[Any], bool], kinds: Iterable[Any], *, unspecified: bool = False
) -> dict[str, bool | None]:
    """A probe's answers by name; without the value 0, which stands for none, unless it is one of them."""
    return {kind.name: _answer(probe, kind) for kind in kinds if kind or unspecified}


def _answer(probe: Callable[..., bool], *arguments: Any) -> bool | None:
    try:
        return probe(*arguments)
    except Error:
        return None


def _setting(name: str) -> int | None:
    try:
        with open(f"/proc/sys/{name}") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


# --- what is asked for -------------------------------------------------------------------

E = TypeVar("E", bound=IntEnum)


def _member(kinds: type[E], given: E | int | str, what: str) -> E:
    """A member of an enumeration, by itself, its number or its name."""
    if not isinstance(given, str):
        return kinds(given)
    name = given.upper()
    if name not in kinds.__members__:
        near = close_matches(name, kinds.__members__)
        raise ValueError(f"there is no {what} {given!r}{did_you_mean(near)}")
    return kinds[name]


# --- how the kernel is asked -------------------------------------------------------------


def _instruction(code: int, registers: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("=BBhi", code, registers, offset, immediate)


_RETURN_ZERO = _instruction(0xB7) + _instruction(0x95)
# An instruction that the version before did not have (Documentation/bpf/standardization/instruction-set.rst).
_NEW_IN_VERSION = {
    1: b"",
    2: _instruction(0xB7) + _instruction(0xA5, 0, 0, 1),  # if r0 < 1 goto the next
    3: _instruction(0xB7) + _instruction(0xA6, 0, 0, 1),  # the same with 32 bits
    4: _instruction(0xB7) + _instruction(0xD7, 0, 0, 16),  # r0 = bswap16(r0)
}


def _loads(instructions: bytes, what: str) -> bool:
    done = _load(ProgramType.SOCKET_FILTER, instructions)
    _require_rights(done, what)
    return not done.errno


def _load(
    type: ProgramType,
    instructions: bytes,
    *,
    flags: int = 0,
    attach_type: AttachType | None = None,
    attach_to: int = 0,
    verify: bool = False,
) -> Call:
    """What the kernel says to a program, which is closed again. `messages` has the verifier's log."""
    options = ffi.new("struct bpf_prog_load_opts *")
    options.sz = ffi.sizeof("struct bpf_prog_load_opts")
    options.prog_flags = flags
    options.attach_btf_id = attach_to
    options.token_fd = _NO_FD if flags & ProgramFlags.TOKEN_FD else 0
    if attach_type is not None:
        options.expected_attach_type = attach_type
    log = ffi.new("char[]", 4096)
    if verify:
        options.log_buf, options.log_size, options.log_level = log, len(log), 1
    count = len(instructions) // 8
    code = ffi.new("struct bpf_insn[]", max(count, 1))
    ffi.memmove(code, instructions, len(instructions))
    done = _closed(invoke(lib.call_bpf_prog_load, type, ffi.NULL, b"GPL", code, count, options))
    done.messages = [ffi.string(log).decode(errors="replace")]
    return done


def _closed(done: Call) -> Call:
    """Closes the fd that a probe was given."""
    if not done.errno:
        import os

        os.close(done.result)
    return done


def _require_rights(done: Call, what: str) -> None:
    if done.errno in _NO_RIGHT:
        raise from_errno(done.errno, "tell whether the kernel has", what)


def _probed(function: Any, type: int, what: str) -> bool:
    """The answer of one of libbpf's probes for types. It says no to every error, and errno says to which."""
    record = _new_record(None)
    result = function(record, type, ffi.NULL)
    number = -result if result < 0 else 0 if result else record.error
    if result < 0 or number in _INCONCLUSIVE:
        raise from_errno(number, "tell whether the kernel has", what)
    return bool(result)


class _Kernel(NamedTuple):
    """What is asked of the kernel's BTF: names of functions with their ids, and of attach types."""

    functions: dict[str, int]
    attach_types: frozenset[str]


@functools.cache
def _kernel() -> _Kernel:
    """Raises NotSupportedError without BTF."""
    from .btf import Btf
    from .btf.types import Enum

    wanted = [*_LINK_FUNCTIONS.values(), *(function for _, function in _ATTACHED_TO.values())]
    with Btf.vmlinux() as btf:
        attach_types = btf.find("enum bpf_attach_type")
        assert isinstance(attach_types, Enum)
        return _Kernel(
            {name: btf.function(name).id for name in wanted if btf.has_function(name)},
            frozenset(name for name, _ in attach_types.values),
        )


def _has_function(name: str) -> bool:
    try:
        return name in _kernel().functions
    except BpfError:
        pass  # no BTF
    try:
        with open("/proc/kallsyms") as file:
            return any(line.split()[2] == name for line in file)
    except OSError as error:
        raise NotSupportedError(errno.EOPNOTSUPP, "tell whether the kernel has", name) from error
