# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Maps: data that BPF programs and user space share, one class per kind, and an object's global variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Every public name and the module it lives in, which is imported when the name is asked for (PEP 562).
_HOME = {
    **dict.fromkeys(("Map",), "map"),
    **dict.fromkeys(("MapInfo",), "info"),
    **dict.fromkeys(("Variable",), "variables"),
    **dict.fromkeys(("Batch", "Cursor"), "batch"),
    **dict.fromkeys(("MapArrays",), "arrays"),
    **dict.fromkeys(("HashMap", "LruHashMap"), "hash"),
    **dict.fromkeys(("ArrayMap",), "array"),
    **dict.fromkeys(("PerCpuArray", "PerCpuHashMap"), "percpu"),
    **dict.fromkeys(("LpmTrie",), "lpm_trie"),
    **dict.fromkeys(("Queue", "Stack"), "queue"),
    **dict.fromkeys(("BloomFilter",), "bloom_filter"),
    **dict.fromkeys(("ProgramArray",), "program_array"),
    **dict.fromkeys(("PerfEventArray",), "perf_event_array"),
    **dict.fromkeys(("StackTrace",), "stack_trace"),
    **dict.fromkeys(("CgroupArray",), "cgroup_array"),
    **dict.fromkeys(("ArrayOfMaps", "HashOfMaps"), "map_in_map"),
    **dict.fromkeys(("SockHash", "SockMap"), "sock_map"),
    **dict.fromkeys(("DevMap",), "dev_map"),
    **dict.fromkeys(("CpuMap",), "cpu_map"),
    **dict.fromkeys(("XskMap",), "xsk_map"),
    **dict.fromkeys(("ReuseportArray",), "reuseport_array"),
    **dict.fromkeys(("CgroupStorage", "InodeStorage", "SockStorage", "TaskStorage"), "local_storage"),
    **dict.fromkeys(("LegacyCgroupStorage", "LegacyPerCpuCgroupStorage"), "legacy_cgroup_storage"),
    **dict.fromkeys(("RingBufMap", "UserRingBufMap"), "ring_buffer"),
    **dict.fromkeys(("Arena",), "arena"),
    **dict.fromkeys(("StructOpsMap",), "struct_ops"),
    **dict.fromkeys(("InsnArray",), "insn_array"),
}

if TYPE_CHECKING:
    from .arena import Arena
    from .array import ArrayMap
    from .arrays import MapArrays
    from .batch import Batch, Cursor
    from .bloom_filter import BloomFilter
    from .cgroup_array import CgroupArray
    from .cpu_map import CpuMap
    from .dev_map import DevMap
    from .hash import HashMap, LruHashMap
    from .info import MapInfo
    from .insn_array import InsnArray
    from .legacy_cgroup_storage import LegacyCgroupStorage, LegacyPerCpuCgroupStorage
    from .local_storage import CgroupStorage, InodeStorage, SockStorage, TaskStorage
    from .lpm_trie import LpmTrie
    from .map import Map
    from .map_in_map import ArrayOfMaps, HashOfMaps
    from .percpu import PerCpuArray, PerCpuHashMap
    from .perf_event_array import PerfEventArray
    from .program_array import ProgramArray
    from .queue import Queue, Stack
    from .reuseport_array import ReuseportArray
    from .ring_buffer import RingBufMap, UserRingBufMap
    from .sock_map import SockHash, SockMap
    from .stack_trace import StackTrace
    from .struct_ops import StructOpsMap
    from .variables import Variable
    from .xsk_map import XskMap

__all__ = [
    "Arena",
    "ArrayMap",
    "ArrayOfMaps",
    "Batch",
    "BloomFilter",
    "CgroupArray",
    "CgroupStorage",
    "CpuMap",
    "Cursor",
    "DevMap",
    "HashMap",
    "HashOfMaps",
    "InodeStorage",
    "InsnArray",
    "LegacyCgroupStorage",
    "LegacyPerCpuCgroupStorage",
    "LpmTrie",
    "LruHashMap",
    "Map",
    "MapArrays",
    "MapInfo",
    "PerCpuArray",
    "PerCpuHashMap",
    "PerfEventArray",
    "ProgramArray",
    "Queue",
    "ReuseportArray",
    "RingBufMap",
    "SockHash",
    "SockMap",
    "SockStorage",
    "Stack",
    "StackTrace",
    "StructOpsMap",
    "TaskStorage",
    "UserRingBufMap",
    "Variable",
    "XskMap",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        from importlib import import_module

        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
