# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""map show: all that the kernel tells of one map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parser import add_json
from .references import add_reference

if TYPE_CHECKING:
    import argparse

    from ..maps import MapInfo

HELP = "show one map"
DESCRIPTION = (
    "Shows one map: what it is, the types of its keys and values, which programs use it, who holds it."
)
EXAMPLES = """
  {prog} map show 17
  {prog} map show counts
  {prog} map show /sys/fs/bpf/counts --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "map")
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    from .. import kernel
    from .holding import holder_lines, pinned_paths
    from .output import bytes_size, facts, plain, write_json
    from .references import open_map

    with open_map(options.map) as map:
        info = map.info()
    key_type, value_type = _types(info)
    holders = kernel.holders().maps
    data: dict[str, Any] = {
        **plain(info),
        "key_type": key_type,
        "value_type": value_type,
        "program_ids": [program.id for program in kernel.programs() if info.id in program.map_ids],
        "pinned": pinned_paths("map", info.id),
        "holders": plain(holders.get(info.id, ())),
    }
    if options.json:
        write_json(data)
        return
    data["memlock"] = bytes_size(info.memlock)
    data["flags"] = " ".join(data["flags"]) or "-"
    data["program_ids"] = ", ".join(str(id) for id in data["program_ids"]) or "-"
    data["holders"] = holder_lines(holders, info.id)
    # What most maps do not have.
    absent = ("ifindex", "netns_dev", "netns_ino", "map_extra", "btf_vmlinux_id", "btf_vmlinux_value_type_id")
    facts({name: value for name, value in data.items() if value or name not in absent})


def _types(info: MapInfo) -> tuple[str | None, str | None]:
    """The types of keys and values, as C spells them."""
    if not info.btf_id or not (info.btf_key_type_id or info.btf_value_type_id):
        return None, None
    from ..maps.codecs import _kernel_btf

    with _kernel_btf(info.btf_id) as btf:
        key, value = (str(btf[id]) if id else None for id in (info.btf_key_type_id, info.btf_value_type_id))
        return key, value
