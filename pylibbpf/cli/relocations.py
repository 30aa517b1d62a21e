# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""CO-RE relocations of an object that find nothing on this kernel, told without loading a program."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..object import Object

# What libbpf says of each relocation (relo_core.c:bpf_core_calc_relo_insn, bpf_core_poison_insn).
_RELOCATION = re.compile(r"prog '(?P<program>.*)': relo #(?P<number>\d+): (?P<words>.*)", re.DOTALL)
_POISONED = re.compile(r"substituting insn #(\d+) w/ invalid insn")


class FailedRelocation(NamedTuple):
    """A relocation whose type or field this kernel does not have.

    libbpf puts an instruction there that the verifier refuses if the program can reach it: one that is
    guarded by bpf_core_field_exists() and its like does no harm.

    Attributes:
        program: the program it is in.
        instruction: the index of the instruction.
        wanted: what it wants, in libbpf's words: "<byte_off> [9] struct a.b (0:1 @ offset 4)".
    """

    program: str
    instruction: int
    wanted: str


def relocate(obj: Object) -> list[FailedRelocation]:
    """Relocates an object that was just opened against this kernel, and loads nothing: no maps, no programs.

    The object's programs then have the instructions that would be loaded.

    Raises:
        NotSupportedError: the libbpf in use is older than 1.6.
        BpfError: it cannot be relocated at all: a field is ambiguous, a kernel symbol is missing.
    """
    for map in obj.maps.values():
        map.autocreate = False
    for program in obj.programs.values():
        program.autoload = True
    with _libbpf_lines() as lines:
        obj.prepare()
    return list(_failed(lines))


def _failed(lines: list[str]) -> Iterator[FailedRelocation]:
    wanted: dict[tuple[str, str], str] = {}
    for line in lines:
        found = _RELOCATION.match(line)
        if not found:
            continue
        relocation = (found["program"], found["number"])
        poisoned = _POISONED.match(found["words"])
        if poisoned:
            yield FailedRelocation(found["program"], int(poisoned[1]), wanted.get(relocation, ""))
        elif found["words"].startswith("<"):
            wanted[relocation] = found["words"]


@contextmanager
def _libbpf_lines() -> Iterator[list[str]]:
    """The lines that libbpf writes meanwhile, those for debugging included."""
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, handler = logging.getLogger("pylibbpf"), Collect()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
