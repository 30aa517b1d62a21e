# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Builds pylibbpf._libbpf, the out-of-line CFFI module with libbpf inside.

`python build_ffi.py` builds it in place; setup.py hands `ffibuilder` to
cffi's setuptools hook. The declarations are the files of cdef/. To them this
script adds a wrapper `call_NAME` for each function of libbpf.h and btf.h that
returns an int or a pointer, and for those of bpf.h that return a new fd. It
takes a `struct glue_call *` first, and leaves the result, errno and libbpf's
log lines of that one call in it.

Environment:
    PYLIBBPF_SYSTEM_LIBBPF=1  link with the installed libbpf (1.1 or newer, found
        by pkg-config). Functions newer than 1.1 are then weak symbols behind
        wrappers that return -GLUE_MISSING, or NULL, where the library lacks them.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from cffi import FFI

# cffi's setuptools hook executes this file with a relative __file__ and no sys.path entry.
ROOT = Path(__file__).resolve().parent
LIBBPF = ROOT / "libbpf"
CDEF = ROOT / "cdef"
HEADERS = ("linux_bpf.h", "bpf.h", "libbpf_legacy.h", "btf.h", "libbpf.h", "glue.h")

# The oldest libbpf that a system build accepts: Debian 12's.
OLDEST_LIBBPF = (1, 1)
# Functions of bpf.h that return a new fd: a call_ wrapper keeps it when a signal handler raises.
NEW_FD = re.compile(
    r"bpf_(map_create|prog_load|btf_load|obj_get|obj_get_opts|\w+_get_fd_by_id|link_create|iter_create"
    r"|raw_tracepoint_open|raw_tracepoint_open_opts|enable_stats|token_create)"
)
# Functions of btf.h and libbpf.h that libbpf says nothing about: accessors, setters that only
# answer -EBUSY or -EINVAL, system calls. Each wrapper costs 700 bytes of the extension.
QUIET = re.compile(
    r"\w+__(next|prev|find)_\w+|btf__(add|set|find|resolve|align)_?\w*|bpf_\w+__set_(?!attach_target)\w+"
    r"|\w+__(fd|btf_fd|token_fd|epoll_fd|map_fd|buffer_fd|btf|inner_map|exclusive_program|ring)"
    r"|bpf_map__\w*(elem|key)|(user_)?ring(_buffer)?__\w+|perf_buffer__(?!new)\w+|bpf_program__\w+_info"
    r"|btf_ext__set_\w+|btf_dump__\w+|libbpf_(strerror|\w+_by_name|num_possible_cpus|\w*register\w+)"
)
SYSTEM_LIBBPF = os.environ.get("PYLIBBPF_SYSTEM_LIBBPF", "") not in ("", "0")


class Function(NamedTuple):
    result: str
    name: str
    parameters: tuple[str, ...]  # as declared, each with its name

    @property
    def arguments(self) -> str:
        return ", ".join(re.split(r"\W+", parameter.split("[")[0])[-1] for parameter in self.parameters)

    @property
    def returns_pointer(self) -> bool:
        return self.result.endswith("*")


def functions(header: str) -> list[Function]:
    """The functions that a file of cdef/ declares."""
    source = re.sub(r"/\*.*?\*/|//[^\n]*|^#[^\n]*", "", (CDEF / header).read_text(), flags=re.S | re.M)
    while "{" in source:
        source = re.sub(r"\{[^{}]*\}", "", source)
    found = []
    for statement in source.split(";"):
        match = re.fullmatch(r"\s*([\w\s*]*?[\s*])(\w+)\s*\(([^()]*)\)\s*", statement)
        if match and not statement.strip().startswith("typedef"):
            result, name, parameters = (" ".join(part.split()) for part in match.groups())
            names = () if parameters in ("", "void") else tuple(p.strip() for p in parameters.split(","))
            found.append(Function(result, name, names))
    return found


def called(header: str, function: Function) -> bool:
    """Whether a function gets a call_ wrapper: those that can fail and talk about it, or open an fd."""
    if header == "bpf.h":
        return NEW_FD.fullmatch(function.name) is not None
    makes = function.result == "int" or (function.returns_pointer and function.result.startswith("struct "))
    return makes and QUIET.fullmatch(function.name) is None


def wrappers() -> list[Function]:
    return [f for header in ("bpf.h", "btf.h", "libbpf.h") for f in functions(header) if called(header, f)]


def wrapper_declaration(function: Function) -> str:
    parameters = ", ".join(("struct glue_call *call", *function.parameters))
    return f"{function.result} call_{function.name}({parameters})"


def wrapper_definition(function: Function) -> str:
    return f"""\
static {wrapper_declaration(function)}
{{
	{function.result} result;

	glue_enter(call);
	result = {function.name}({function.arguments});
	call->result = (intptr_t)result;
	glue_leave(call);
	return result;
}}
"""


def newer_functions() -> dict[str, str]:
    """Each function newer than OLDEST_LIBBPF, and the release that brought it, from libbpf's own map."""
    # The map lists the last two too early: the headers lacked LIBBPF_API until then, which hid them
    # (libbpf commits 245394fb and 9f8984fb).
    newer = {}
    blocks = re.findall(r"LIBBPF_(\d+)\.(\d+)\.\d+ \{([^}]*)\}", (LIBBPF / "src/libbpf.map").read_text())
    for major, minor, body in blocks:
        if (int(major), int(minor)) > OLDEST_LIBBPF:
            for name in re.findall(r"(\w+);", body):
                newer[name] = f"{major}.{minor}"
    return newer | {"libbpf_set_memlock_rlim": "1.4", "bpf_object__prepare": "1.6.2"}


def weak_definitions() -> str:
    """Wrappers around the functions that an older system libbpf may lack.

    The macro at the end puts the wrapper in the function's place, for cffi's
    code and for the call_ wrappers alike: a NULL weak symbol is never called. It
    takes arguments, so that it leaves the struct of the same name alone.
    """
    newer = newer_functions()
    definitions = []
    for header in ("bpf.h", "libbpf_legacy.h", "btf.h", "libbpf.h"):
        for function in functions(header):
            if function.name not in newer:
                continue
            # Only an int has room for an error: from a size, -GLUE_MISSING would be a huge number.
            missing = {"int": "return -GLUE_MISSING", "void": "return"}.get(function.result, "return 0")
            name, parameters = function.name, ", ".join(function.parameters) or "void"
            definitions.append(f"""\
extern __typeof__({name}) {name} __attribute__((weak));
static {function.result} present_{name}({parameters})
{{
	if (!{name}) {{
		glue_set_missing("{name}");
		errno = GLUE_MISSING;
		{missing};
	}}
	{"" if function.result == "void" else "return "}{name}({function.arguments});
}}
#define {name}(...) present_{name}(__VA_ARGS__)
""")
    return "\n".join(definitions)


def since_definition() -> str:
    rows = "".join(f'\t{{ "{name}", "{version}" }},\n' for name, version in sorted(newer_functions().items()))
    return f"""\
const char *glue_since(const char *function)
{{
	static const char *const since[][2] = {{
{rows}	}};
	size_t i;

	for (i = 0; i < sizeof(since) / sizeof(since[0]); i++)
		if (!strcmp(since[i][0], function))
			return since[i][1];
	return NULL;
}}
"""


def declarations() -> str:
    """All that the extension offers to Python, as cffi reads it."""
    texts = [(CDEF / header).read_text() for header in HEADERS]
    return "\n".join([*texts, *(wrapper_declaration(function) + ";" for function in wrappers())])


def source() -> str:
    """The C source in front of the code that cffi generates."""
    parts = [
        """\
/* What follows converts arguments: size matters there, and speed in libbpf's own files. */
#pragma GCC optimize ("Os")
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <bpf.h>
#include <btf.h>
#include <libbpf.h>
#include <libbpf_legacy.h>
#include "glue.h"
#include "glue_internal.h"
""",
        since_definition(),
        weak_definitions() if SYSTEM_LIBBPF else "",
        *(wrapper_definition(function) for function in wrappers()),
    ]
    return "\n".join(parts)


def pkg_config(*arguments: str) -> list[str]:
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), *arguments]
    try:
        return shlex.split(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    except FileNotFoundError:
        raise SystemExit("build_ffi.py: PYLIBBPF_SYSTEM_LIBBPF=1 needs pkg-config to find libbpf") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"build_ffi.py: {shlex.join(command)}: {error.stderr.strip() or 'failed'}") from None


def extension_arguments() -> dict[str, Any]:
    """Sources, macros and flags, paths relative to the checkout as setuptools wants them."""
    if not (LIBBPF / "src/libbpf.map").exists():
        raise SystemExit(
            "build_ffi.py: libbpf/ is empty. Run `make libbpf`, or `git submodule update --init`."
        )
    sources: list[object] = ["cdef/glue.c"]
    macros: list[object] = [("_GNU_SOURCE", None), ("_LARGEFILE64_SOURCE", None), ("_FILE_OFFSET_BITS", "64")]
    # Headers declare libbpf's functions with default visibility; an empty LIBBPF_API hides
    # them, so that two libbpfs in one process do not meet.
    macros.append(("LIBBPF_API", ""))
    arguments: dict[str, Any] = {
        # libbpf's headers stand before the files of the same name in cdef/, which only cffi reads.
        "include_dirs": ["libbpf/src", "libbpf/include", "libbpf/include/uapi", "cdef"],
        "extra_compile_args": [
            *("-fvisibility=hidden", "-O2", "-g", "-Wno-unused-function", "-Wno-sign-compare"),
            # 12 % of the extension's size, and nothing in it throws.
            "-fno-asynchronous-unwind-tables",
        ],
        "depends": [str(path.relative_to(ROOT)) for path in sorted(CDEF.glob("*.[ch]"))],
    }
    if SYSTEM_LIBBPF:
        pkg_config("--print-errors", "--exists", "libbpf >= {}.{}".format(*OLDEST_LIBBPF))
        macros.append(("PYLIBBPF_SYSTEM_LIBBPF", "1"))
        arguments["extra_link_args"] = [*pkg_config("--libs", "libbpf")]
    else:
        sources += sorted(str(path.relative_to(ROOT)) for path in (LIBBPF / "src").glob("*.c"))
        arguments["libraries"] = ["elf", "z"]
    arguments["sources"] = sources
    arguments["define_macros"] = macros
    return arguments


ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source("pylibbpf._libbpf", source(), **extension_arguments())


def build_in_place() -> None:
    """Builds pylibbpf/_libbpf.abi3.so in the checkout, as an editable install would."""
    from setuptools import setup

    os.chdir(ROOT)
    setup(
        cffi_modules=["build_ffi.py:ffibuilder"],
        script_args=["-q", "build_ext", "--inplace", "--build-temp", "build/temp"],
    )


if __name__ == "__main__":
    build_in_place()
