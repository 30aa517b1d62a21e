# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Why a program was not loaded: what this kernel lacks, what does not exist, what the verifier said."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..enums import AttachType, ProgramType
from ..errors import BpfError, NotFoundError, NotSupportedError, VerifierError, program_log
from ..permissions import lockdown, may_trace
from ..since import ITERATORS, why_not

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .program import Program

# What libbpf prints of the program that ends the load: libbpf.c:libbpf_find_attach_btf_id,
# libbpf_prepare_prog_load and bpf_object_load_prog.
_NO_TARGET = re.compile(r"prog '(.*)': failed to find kernel BTF type ID of '(.*)':")
_NOTHING_NAMED = re.compile(r"prog '(.*)': no BTF-based attach target is specified")
_REFUSED = re.compile(r"prog '(.*)': BPF program load failed:")


def explain_load(error: BpfError, programs: Mapping[str, Program]) -> BpfError:
    """The error of a load that failed, as the most telling one.

    Args:
        error: what the kernel or libbpf answered, with libbpf's messages.
        programs: those that were being loaded, by name.
    """
    for message in error.messages:
        if (found := _NO_TARGET.match(message)) and found[1] in programs:
            return no_target(error, programs[found[1]], found[2])
        if found := _NOTHING_NAMED.match(message):
            error.hint = (
                f"The section of program '{found[1]}' names no target: say it by set_attach_target(name) "
                "before the load, or by load(name)."
            )
            return error
        if (found := _REFUSED.match(message)) and found[1] in programs:
            logs = {text: program_log(text) for text in error.messages}
            log = next((log for name, log in reversed(logs.values()) if name == found[1]), "")
            others = [text for text, (name, _) in logs.items() if name != found[1]]
            return explain_refusal(error, programs[found[1]], log, others)
    return error


def explain_refusal(error: BpfError, program: Program, log: str, messages: Sequence[str]) -> BpfError:
    """The error for one program that the kernel refused, with the verifier's log."""
    attach_type = program.expected_attach_type
    missing = ""
    if error.errno != errno.EPERM:
        missing = why_not(program.type) or (why_not(attach_type) if attach_type is not None else "")
    if missing:
        return NotSupportedError(
            error.errno or 0, "load program", f"'{program.name}'", messages=messages, hint=missing
        )
    if log.strip():
        hint = error.hint or _locked_down(log)
        return VerifierError(
            error.errno or 0, program.name, log, section=program.section, messages=messages, hint=hint
        )
    if error.errno == errno.EPERM and _needs_trampolines(program) and may_trace():
        error.hint = f"{error.hint} {_TRAMPOLINES}".strip()
    return error


def _needs_trampolines(program: Program) -> bool:
    """Whether a program runs on a function: kernel/bpf/trampoline.c."""
    if program.type == ProgramType.TRACING:
        return program.expected_attach_type not in (AttachType.TRACE_RAW_TP, AttachType.TRACE_ITER)
    return program.type in (ProgramType.LSM, ProgramType.EXT)


_TRAMPOLINES = (
    "Programs on functions (fentry, fexit, fmod_ret, LSM, freplace) need BPF trampolines, which this kernel "
    "may lack or forbid, whatever rights the caller has. Raw tracepoints, tp_btf and kprobes need none."
)


def _locked_down(log: str) -> str:
    """What lockdown has to do with a helper that a program may not call: kernel/trace/bpf_trace.c asks
    for LOCKDOWN_BPF_READ_KERNEL, of "confidentiality", and LOCKDOWN_BPF_WRITE_USER, of both levels."""
    found = _LOCKED_HELPER.search(log)
    level = lockdown() if found else ""
    if not found or not level or (level == "integrity" and found[1] != "bpf_probe_write_user"):
        return ""
    return f"Kernel lockdown is '{level}', which forbids {found[1]} to root as well (kernel_lockdown(7))."


# check_helper_call of kernel/bpf/verifier.c: "unknown func" until 6.10.
_LOCKED_HELPER = re.compile(
    r"(?:unknown func|cannot use helper) (bpf_probe_(?:write_user|read(?:_kernel)?(?:_str)?))#"
)


def no_target(error: BpfError, program: Program, target: str) -> BpfError:
    """The error for a program whose kernel function, tracepoint, hook or iterator libbpf did not find."""
    attach_type = program.expected_attach_type
    what = "iterator" if attach_type == AttachType.TRACE_ITER else "function, tracepoint or hook"
    missing = NotFoundError(
        errno.ENOENT,
        f"find the attach target '{target}' of program",
        f"'{program.name}'",
        messages=error.messages,
        hint=f"This kernel and its loaded modules have no {what} of that name with type information; "
        "`python -m pylibbpf btf dump` shows what there is.",
    )
    return without_target(missing, attach_type, program.name, target)


def without_target(
    error: NotFoundError, attach_type: AttachType | None, program: str, target: str
) -> BpfError:
    """The same error, or one that says since when there are iterators over that target."""
    if attach_type != AttachType.TRACE_ITER or target not in ITERATORS:
        return error
    hint = f"Iterators over '{target}' came with Linux {ITERATORS[target]}."
    return NotSupportedError(errno.EOPNOTSUPP, "load program", f"'{program}'", hint=hint)
