# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Loading one program by itself, out of a prepared object, without its siblings.

libbpf 1.8 calls this bpf_program__clone; here its public calls do the same. What
libbpf 1.7 does not hand out is found elsewhere: the licence in the ELF section, the
sleepable and frags flags in the section's name, the attach target in BTF.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, Any

from .._native import NULL, Handle, c_string, check, ffi, invoke, lib, open_fd
from ..enums import AttachType, ProgramFlags, ProgramType
from ..errors import BpfError, NameNotFoundError, NotFoundError
from ..link.function import find_function, find_target
from .refusal import explain_refusal, without_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._libbpf import CData
    from ..btf import Btf
    from .program import Program

_FIRST_LOG_SIZE = 64 * 1024
# The kernel's own limit (include/linux/bpf_verifier.h).
_LARGEST_LOG_SIZE = (1 << 30) - 1

# What stands before a target's name in BTF (libbpf.c:btf_get_kernel_prefix_kind).
_PREFIX_AND_KIND = {
    AttachType.TRACE_RAW_TP: ("btf_trace_", "typedef"),
    AttachType.LSM_MAC: ("bpf_lsm_", "func"),
    AttachType.LSM_CGROUP: ("bpf_lsm_", "func"),
    AttachType.TRACE_ITER: ("bpf_iter_", "func"),
}


def load_alone(
    program: Program, target: str | None, btf: Btf | None, target_program: Program | None, needs_target: bool
) -> Handle:
    """Loads a program of a prepared object and returns the handle of its fd.

    Runs under the object's lock and borrow.
    """
    obj = program._object
    assert obj is not None
    pointer = program._pointer
    attach_type = AttachType(lib.bpf_program__expected_attach_type(pointer))
    options = ffi.new("struct bpf_prog_load_opts *")
    options.sz = ffi.sizeof("struct bpf_prog_load_opts")
    options.expected_attach_type = attach_type
    options.prog_flags = lib.bpf_program__flags(pointer) | _section_flags(program)
    _set_btf(options, pointer, obj)
    with contextlib.ExitStack() as stack:
        if needs_target:
            _set_target(options, stack, program, attach_type, target, btf, target_program)
        handle = _load(program, options, lib.bpf_program__log_level(pointer))
    _bind_rodata(handle, obj)
    return handle


def _section_flags(program: Program) -> int:
    """What libbpf adds at load for a section (libbpf.c:libbpf_prepare_prog_load)."""
    kind = program.section.partition("/")[0]
    flags = 0
    if kind.endswith(".s") or program.type == ProgramType.SYSCALL:
        flags |= ProgramFlags.SLEEPABLE
    if program.type == ProgramType.XDP and kind.endswith(".frags"):
        flags |= ProgramFlags.XDP_HAS_FRAGS
    return flags


def _set_btf(options: CData, pointer: CData, obj: Any) -> None:
    """The object's BTF, with function and line information, for readable logs and for verification."""
    object_pointer = obj._handle._value
    token = lib.bpf_object__token_fd(object_pointer)
    if token >= 0:
        options.token_fd = token
        options.prog_flags |= ProgramFlags.TOKEN_FD
    btf_fd = lib.bpf_object__btf_fd(object_pointer)
    if btf_fd < 0:
        return
    options.prog_btf_fd = btf_fd
    for kind, record in (("func_info", "struct bpf_func_info"), ("line_info", "struct bpf_line_info")):
        # Both since libbpf 1.6; none without them.
        records = getattr(lib, f"bpf_program__{kind}")(pointer)
        if records:
            setattr(options, kind, records)
            setattr(options, f"{kind}_cnt", getattr(lib, f"bpf_program__{kind}_cnt")(pointer))
            setattr(options, f"{kind}_rec_size", ffi.sizeof(record))


def _set_target(
    options: CData,
    stack: contextlib.ExitStack,
    program: Program,
    attach_type: AttachType,
    target: str | None,
    btf: Btf | None,
    target_program: Program | None,
) -> None:
    name = target if target is not None else program.section.partition("/")[2]
    if not name:
        raise TypeError(
            f"program '{program.name}': its section \"{program.section}\" names no target, "
            "and load() was given none"
        )
    prefix, kind = _PREFIX_AND_KIND.get(attach_type, ("", "func"))
    if target_program is not None:
        options.attach_prog_fd = stack.enter_context(target_program._fd_handle())
        options.attach_btf_id = find_function(target_program, name)
    elif btf is not None:
        options.attach_btf_id = find_target(btf, prefix + name, kind, "the given BTF")
        if btf.base is not None:
            options.attach_btf_obj_fd = stack.enter_context(_btf_fd(_module_id(btf)))
    else:
        _set_kernel_target(options, stack, program, attach_type, prefix, kind, name)


def _set_kernel_target(
    options: CData,
    stack: contextlib.ExitStack,
    program: Program,
    attach_type: AttachType,
    prefix: str,
    kind: str,
    name: str,
) -> None:
    """A target in the kernel or, if it has none of that name, in a module."""
    from ..btf import Btf

    module, colon, bare = name.rpartition(":")
    if not colon:
        done = invoke(lib.call_libbpf_find_vmlinux_btf_id, c_string(name, "target"), attach_type)
        if not done.errno:
            options.attach_btf_id = done.result
            return
    with Btf.vmlinux() as vmlinux:
        for id in _module_ids(module):
            with contextlib.suppress(BpfError, NameNotFoundError), Btf.from_id(id, vmlinux) as types:
                options.attach_btf_id = types.find(prefix + bare, kind).id
                options.attach_btf_obj_fd = stack.enter_context(_btf_fd(id))
                return
        if colon:
            hint = "No such module is loaded, or it has no such function."
            raise NotFoundError(
                errno.ENOENT, f"find the attach target '{bare}' in", f"module '{module}'", hint=hint
            )
        try:
            options.attach_btf_id = find_target(vmlinux, prefix + bare, kind, "the kernel and its modules")
        except NotFoundError as error:
            raise without_target(error, attach_type, program.name, name) from None


def _module_id(btf: Btf) -> int:
    """The kernel's id of the BTF of a module."""
    if btf.id is not None:
        return btf.id
    if btf._module is None:
        raise ValueError("the BTF of a module comes from Btf.module(name) or Btf.from_id(id) here")
    for id in _module_ids(btf._module):
        return id
    raise NotFoundError(errno.ENOENT, "find the BTF of", f"module '{btf._module}'", hint=_MODULE_GONE)


_MODULE_GONE = "The module is not loaded any more."


def _module_ids(name: str) -> Iterator[int]:
    """The ids of the BTF of one module, or of all: libbpf.c:load_module_btfs. Needs CAP_SYS_ADMIN."""
    id = ffi.new("uint32_t *")
    info = ffi.new("struct bpf_btf_info *")
    size = ffi.new("uint32_t *")
    buffer = ffi.new("char[]", 64)  # MODULE_NAME_LEN
    while lib.bpf_btf_get_next_id(id[0], id) == 0:
        with contextlib.suppress(NotFoundError), _btf_fd(id[0]) as fd:
            ffi.memmove(info, bytes(ffi.sizeof(info[0])), ffi.sizeof(info[0]))
            info.name, info.name_len = int(ffi.cast("uintptr_t", buffer)), len(buffer)
            size[0] = ffi.sizeof(info[0])
            result = lib.bpf_obj_get_info_by_fd(fd, info, size)
            if result == -errno.E2BIG:
                return  # before 5.11, which brought names and the BTF of modules together
            check(result, "get the info of BTF")
            found = ffi.string(buffer).decode(errors="replace")
            if info.kernel_btf and found != "vmlinux" and name in ("", found):
                yield id[0]


def _btf_fd(id: int) -> Handle:
    return open_fd(lib.call_bpf_btf_get_fd_by_id, id, operation="open BTF", subject=f"id {id}")


def _load(program: Program, options: CData, log_level: int) -> Handle:
    """BPF_PROG_LOAD: without a log first, and again with one that is large enough after a failure."""
    obj = program._object
    assert obj is not None
    pointer = program._pointer
    arguments = (
        lib.bpf_program__type(pointer),
        c_string(program.name, "name"),
        c_string(obj.license, "license"),
        lib.bpf_program__insns(pointer),
        lib.bpf_program__insn_cnt(pointer),
        options,
    )
    size = _FIRST_LOG_SIZE if log_level else 0
    while True:
        log = ffi.new("char[]", size) if size else NULL
        options.log_level = log_level
        options.log_buf = log
        options.log_size = size
        try:
            handle = open_fd(
                lib.call_bpf_prog_load, *arguments, operation="load program", subject=f"'{program.name}'"
            )
        except BpfError as error:
            if not size:
                log_level, size = log_level or 1, _FIRST_LOG_SIZE
            elif error.errno == errno.ENOSPC and size < _LARGEST_LOG_SIZE:
                size = min(max(size * 4, options.log_true_size), _LARGEST_LOG_SIZE)
            else:
                words = ffi.string(log).decode(errors="replace")
                raise explain_refusal(error, program, words, error.messages) from None
            continue
        program._log = ffi.string(log).decode(errors="replace") if size and options.log_level else ""
        return handle


def _bind_rodata(handle: Handle, obj: Any) -> None:
    """Ties the life of the read-only data to the program, as libbpf does; 5.10 brought the means."""
    read_only = [
        map._pointer
        for map in obj.maps.values()
        if ".rodata" in map.name and lib.bpf_map__is_internal(map._pointer)
    ]
    with handle as fd:
        for pointer in read_only:
            lib.bpf_prog_bind_map(fd, lib.bpf_map__fd(pointer), NULL)
