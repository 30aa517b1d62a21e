# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""prog show: all that the kernel tells of one program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parser import add_json
from .references import add_reference

if TYPE_CHECKING:
    import argparse

    from ..kernel import ProgramDetails

HELP = "show one program"
DESCRIPTION = "Shows one program: what it is, what it uses, what it is attached by, and who holds it."
EXAMPLES = """
  {prog} prog show 42
  {prog} prog show count_packets
  {prog} prog show /sys/fs/bpf/firewall --json
  {prog} prog show 42 --source          with its source lines
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "program")
    parser.add_argument("--source", action="store_true", help="also its source lines, from its BTF")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .. import kernel
    from .holding import holder_lines, pinned_paths
    from .output import facts, plain, write_json
    from .references import open_program

    with open_program(options.program) as program:
        info = kernel.program_details(program.fd)
        source = [_line(*line) for line in info.source_lines()] if options.source else None
    holders = kernel.holders().programs
    data: dict[str, Any] = {
        "id": info.id,
        "type": plain(info.type),
        "name": info.name,
        "functions": _functions(info),
        "tag": info.tag.hex(),
        "gpl_compatible": info.gpl_compatible,
        "loaded_at": _since_epoch(info.load_time_ns),
        "created_by_uid": info.created_by_uid,
        "instructions_bytes": info.translated_size,
        "jited_bytes": info.jited_size,
        "memlock": info.memlock,
        "verified_instructions": info.verified_instructions,
        "btf_id": info.btf_id or None,
        "attach_btf_id": info.attach_btf_id or None,
        "ifindex": info.ifindex or None,
        "run_count": info.stats.run_count,
        "run_time_ns": info.stats.run_time_ns,
        "recursion_misses": info.stats.recursion_misses,
        "map_ids": list(info.map_ids),
        "link_ids": [link.id for link in kernel.links() if link.program_id == info.id],
        "pinned": pinned_paths("prog", info.id),
        "holders": plain(holders.get(info.id, ())),
    }
    if source is not None:
        data["source"] = source
    if options.json:
        write_json(data)
        return
    data["loaded_at"] = _local(data["loaded_at"])
    data["holders"] = holder_lines(holders, info.id)
    data["map_ids"] = ", ".join(map(str, data["map_ids"])) or "-"
    data["link_ids"] = ", ".join(map(str, data["link_ids"])) or "-"
    facts(data)


def _functions(info: ProgramDetails) -> list[str]:
    """The whole names of its functions, its own first, from its BTF."""
    if not info.functions:
        return []
    from ..btf import Btf

    with Btf.from_id(info.btf_id) as btf:
        return [btf[function.type_id].name for function in info.functions]


def _line(instruction: int, file: str, line: int, column: int, text: str) -> str:
    return f"{instruction}: {file}:{line}:{column}: {text.strip()}"


def _since_epoch(boot_ns: int) -> float:
    import time

    return round(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + boot_ns / 1e9, 3)


def _local(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
