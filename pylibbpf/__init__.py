# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The Python binding of libbpf: open, configure, load, attach and read BPF programs::

    import pylibbpf as bpf

    with bpf.Object.open("tool.bpf.o") as obj:
        obj.variables["target_pid"].value = 42
        obj.load()
        obj.attach()
        with bpf.RingBuffer(obj.maps["events"], "struct event") as events:
            for event in events:
                print(event.pid, event.comm)

`pylibbpf.lib` and `pylibbpf.ffi` are the way down to plain libbpf.
"""

from __future__ import annotations

__version__ = "0.1.0"

# Every public name and the module it lives in, which is imported when the name is asked
# for (PEP 562): `import pylibbpf` does no I/O and costs next to nothing.
_HOME = {
    **dict.fromkeys(("Object",), "object"),
    **dict.fromkeys(("State",), "state"),
    **dict.fromkeys(("Btf",), "btf"),
    **dict.fromkeys(("Linker",), "linker"),
    **dict.fromkeys(("PerfEvents", "open_perf_event"), "perf_event"),
    **dict.fromkeys(("PerfBuffer", "RingBuffer", "UserRingBuffer"), "events"),
    **dict.fromkeys(("Map", "Variable"), "maps"),
    **dict.fromkeys(("Program",), "programs"),
    **dict.fromkeys(("Link",), "link"),
    **dict.fromkeys(("AttachType", "LinkType", "LogLevel", "MapType", "ProgramType"), "enums"),
    **dict.fromkeys(("num_possible_cpus", "set_memlock_limit"), "system"),
    **dict.fromkeys(("ffi", "lib", "libbpf_version"), "_native"),
    **dict.fromkeys(
        (
            *("BpfError", "ClosedError", "Error", "ExistsError", "FormatError", "MapTypeError"),
            *("NameNotFoundError", "NotAttachedError", "NotFoundError", "NotSupportedError"),
            *("PermissionDeniedError", "ProgramTypeError", "StateError", "VerifierError"),
        ),
        "errors",
    ),
}
_MODULES = (
    "btf",
    "enums",
    "errors",
    "events",
    "features",
    "kernel",
    "link",
    "maps",
    "perf_event",
    "programs",
    "skeleton",
    "symbols",
)

# Type checkers take a name like this for true; typing itself would cost 5 ms to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import (
        btf,
        enums,
        errors,
        events,
        features,
        kernel,
        link,
        maps,
        perf_event,
        programs,
        skeleton,
        symbols,
    )
    from ._native import ffi, lib, libbpf_version
    from .btf import Btf
    from .enums import AttachType, LinkType, LogLevel, MapType, ProgramType
    from .errors import (
        BpfError,
        ClosedError,
        Error,
        ExistsError,
        FormatError,
        MapTypeError,
        NameNotFoundError,
        NotAttachedError,
        NotFoundError,
        NotSupportedError,
        PermissionDeniedError,
        ProgramTypeError,
        StateError,
        VerifierError,
    )
    from .events import PerfBuffer, RingBuffer, UserRingBuffer
    from .link import Link
    from .linker import Linker
    from .maps import Map, Variable
    from .object import Object
    from .perf_event import PerfEvents, open_perf_event
    from .programs import Program
    from .state import State
    from .system import num_possible_cpus, set_memlock_limit

__all__ = [
    "AttachType",
    "BpfError",
    "Btf",
    "ClosedError",
    "Error",
    "ExistsError",
    "FormatError",
    "Link",
    "LinkType",
    "Linker",
    "LogLevel",
    "Map",
    "MapType",
    "MapTypeError",
    "NameNotFoundError",
    "NotAttachedError",
    "NotFoundError",
    "NotSupportedError",
    "Object",
    "PerfBuffer",
    "PerfEvents",
    "PermissionDeniedError",
    "Program",
    "ProgramType",
    "ProgramTypeError",
    "RingBuffer",
    "State",
    "StateError",
    "UserRingBuffer",
    "Variable",
    "VerifierError",
    "btf",
    "enums",
    "errors",
    "events",
    "features",
    "ffi",
    "kernel",
    "lib",
    "libbpf_version",
    "link",
    "maps",
    "num_possible_cpus",
    "open_perf_event",
    "perf_event",
    "programs",
    "set_memlock_limit",
    "skeleton",
    "symbols",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
