# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Which class stands for which type of map."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..enums import MapType

if TYPE_CHECKING:
    from .map import Map

_CLASSES = {
    MapType.HASH: "HashMap",
    MapType.ARRAY: "ArrayMap",
    MapType.PROG_ARRAY: "ProgramArray",
    MapType.PERF_EVENT_ARRAY: "PerfEventArray",
    MapType.PERCPU_HASH: "PerCpuHashMap",
    MapType.PERCPU_ARRAY: "PerCpuArray",
    MapType.STACK_TRACE: "StackTrace",
    MapType.CGROUP_ARRAY: "CgroupArray",
    MapType.LRU_HASH: "LruHashMap",
    MapType.LRU_PERCPU_HASH: "PerCpuHashMap",
    MapType.LPM_TRIE: "LpmTrie",
    MapType.ARRAY_OF_MAPS: "ArrayOfMaps",
    MapType.HASH_OF_MAPS: "HashOfMaps",
    MapType.DEVMAP: "DevMap",
    MapType.SOCKMAP: "SockMap",
    MapType.CPUMAP: "CpuMap",
    MapType.XSKMAP: "XskMap",
    MapType.SOCKHASH: "SockHash",
    MapType.CGROUP_STORAGE: "LegacyCgroupStorage",
    MapType.REUSEPORT_SOCKARRAY: "ReuseportArray",
    MapType.PERCPU_CGROUP_STORAGE: "LegacyPerCpuCgroupStorage",
    MapType.QUEUE: "Queue",
    MapType.STACK: "Stack",
    MapType.SK_STORAGE: "SockStorage",
    MapType.DEVMAP_HASH: "DevMap",
    MapType.STRUCT_OPS: "StructOpsMap",
    MapType.RINGBUF: "RingBufMap",
    MapType.INODE_STORAGE: "InodeStorage",
    MapType.TASK_STORAGE: "TaskStorage",
    MapType.BLOOM_FILTER: "BloomFilter",
    MapType.USER_RINGBUF: "UserRingBufMap",
    MapType.CGRP_STORAGE: "CgroupStorage",
    MapType.ARENA: "Arena",
    MapType.INSN_ARRAY: "InsnArray",
}


def class_of(map_type: MapType) -> type[Map]:
    """The class of a type of map; `Map` for one that a newer kernel brought."""
    package: Any = import_module(__package__)
    found: type[Map] = getattr(package, _CLASSES.get(map_type, "Map"))
    return found


def types_of(cls: type[Map]) -> list[MapType]:
    """The types of map that a class stands for; none for `Map`."""
    return [map_type for map_type, name in _CLASSES.items() if name == cls.__name__]
