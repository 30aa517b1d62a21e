# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Why a program was not loaded: what this kernel lacks, what does not exist, what the verifier said."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..enums import AttachType
from ..errors import BpfError, NotFoundError, NotSupportedError, VerifierError, program_log
from ..since import ITERATORS, why_not

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .program import Program

# What libbpf prints of the program that ends the load: libbpf.c:libbpf_find_attach_btf_id
# and bpf_object_load_prog.
_NO_TARGET = re.compile(r"prog '(.*)': failed to find kernel BTF type ID of '(.*)':")
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
        return VerifierError(
            error.errno or 0, program.name, log, section=program.section, messages=messages, hint=error.hint
        )
    return error


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
