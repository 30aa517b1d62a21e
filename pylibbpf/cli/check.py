# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""check: would an object file load on this kernel?"""

from __future__ import annotations

from collections.abc import Iterator
from errno import EBADF
from typing import TYPE_CHECKING, Any

from .parser import add_json

if TYPE_CHECKING:
    import argparse

    from ..errors import BpfError
    from ..object import Object
    from ..programs import Program

HELP = "would an object file load here?"
DESCRIPTION = """\
Checks an object file on this kernel: its CO-RE relocations, the types of its maps, the type and the helper
functions of each program; and loads its maps, and then each program for itself, to see what the verifier
says. VERIFIED is how many instructions it walked through, on every path. Nothing stays loaded, and nothing
is attached. The exit status is 1 if something would not load; programs whose autoload is off are checked,
and do not count.
"""
EXAMPLES = """
  {prog} check tool.bpf.o
  {prog} check tool.bpf.o --log         with the verifier's whole log
  {prog} check tool.bpf.o --no-load     loads nothing of the object
"""

_LOAD, _REFUSED, _NOT_TRIED = "loads", "refused", "not tried"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an object file, as clang makes it")
    parser.add_argument("--no-load", action="store_true", help="do not try to load it")
    parser.add_argument("--log", action="store_true", help="show the whole verifier log of what is refused")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    from ..errors import PermissionDeniedError
    from ..object import Object
    from .output import plain, write_json

    with Object.open(options.file) as obj:
        maps = [_map(map.name, map.type) for map in obj.maps.values() if map.autocreate]
        autoload = {program.name: program.autoload for program in obj.programs.values()}
        relocations, relocation_error = _relocate(obj)
        programs = [_program(program, relocations) for program in obj.programs.values()]
    map_error = None
    if not options.no_load:
        map_error = _load(options.file, None)[1]
    for report in programs:
        report["autoload"] = autoload[report["name"]]
        if options.no_load or map_error is not None:
            report["load"] = _NOT_TRIED
            continue
        report["verified_instructions"], error = _load(options.file, report["name"])
        report["load"] = _LOAD if error is None else _REFUSED
        if error is not None:
            report["error"] = _words(error)
            report["log"] = getattr(error, "log", "")
    data = {
        "loads": _verdict(maps, programs, map_error, relocation_error),
        "relocation_error": relocation_error,
        "map_error": None if map_error is None else str(map_error),
        "maps": maps,
        "programs": plain(programs),
    }
    if options.json:
        write_json(data)
    else:
        _write(data, log=options.log, denied=isinstance(map_error, PermissionDeniedError))
    return 0 if data["loads"] else 1


def _relocate(obj: Object) -> tuple[list[Any], str | None]:
    """The relocations that find nothing, and why that cannot be told."""
    from ..errors import BpfError, NotSupportedError
    from .relocations import relocate

    try:
        return relocate(obj), None
    except NotSupportedError:
        return [], None  # a libbpf before 1.6 tells at the load
    except BpfError as error:
        return [], str(error)


def _map(name: str, type: Any) -> dict[str, Any]:
    from ..features import has_map_type

    return {"name": name, "type": type.name, "supported": _answer(has_map_type, type)}


def _answer(probe: Any, *arguments: Any) -> bool | None:
    """What the kernel says, or None where this process may not ask."""
    from ..errors import Error

    try:
        found: bool = probe(*arguments)
        return found
    except Error:
        return None


def _program(program: Program, relocations: list[Any]) -> dict[str, Any]:
    """What can be told of a program without loading it."""
    from ..features import has_helper, has_program_type

    return {
        "name": program.name,
        "class": type(program).__name__,
        "type": program.type.name,
        "section": program.section,
        "supported": _answer(has_program_type, program.type),
        "failed_relocations": [each for each in relocations if each.program == program.name],
        "missing_helpers": [
            f"bpf_{helper.name.lower()}"
            for helper in _helpers(program.instructions)
            if _answer(has_helper, helper, program.type) is False
        ],
    }


def _helpers(instructions: bytes) -> Iterator[Any]:
    """The helper functions that are called, each once."""
    from struct import iter_unpack

    from ..helpers import Helper

    # BPF_JMP | BPF_CALL with the source register 0: the immediate is the function's number. What libbpf
    # puts in place of what is missing is such a call too, with a number above all of them.
    called = {
        number
        for code, registers, _, number in iter_unpack("=BBhi", instructions)
        if code == 0x85 and registers >> 4 == 0 and 0 < number <= max(Helper)
    }
    yield from (Helper(number) for number in sorted(called))


def _load(file: str, name: str | None) -> tuple[int | None, BpfError | None]:
    """Loads the maps of an object and one of its programs, or none.

    Returns:
        How many instructions the verifier walked (5.16), and what was refused.
    """
    from ..errors import BpfError
    from ..object import Object

    with Object.open(file) as obj:
        for program in obj.programs.values():
            program.autoload = program.name == name
        try:
            obj.load()
        except BpfError as error:
            return None, None if _lacks_siblings(error) else error
        return (None if name is None else obj.programs[name].info().verified_instructions), None


def _lacks_siblings(error: BpfError) -> bool:
    """Whether it was only that a map of tail calls begins with programs that were left out. libbpf fills such
    maps when the programs are loaded (libbpf.c:bpf_object_init_prog_arrays)."""
    return error.errno == EBADF and any("failed to initialize slot" in message for message in error.messages)


def _words(error: BpfError) -> str:
    from ..errors import VerifierError

    text: str = str(error)
    # The last line of a VerifierError is for programmers.
    return text.rpartition("\n")[0] if isinstance(error, VerifierError) else text


def _verdict(
    maps: list[dict[str, Any]],
    programs: list[dict[str, Any]],
    map_error: BpfError | None,
    relocation_error: str | None,
) -> bool:
    """Whether it would load, as far as that was found out."""
    wanted = [report for report in programs if report["autoload"]]
    if any(report["load"] != _NOT_TRIED for report in programs):
        return all(report["load"] == _LOAD for report in wanted)
    if map_error is not None:
        return False
    return not (
        any(map["supported"] is False for map in maps)
        or any(report["supported"] is False for report in wanted)
        or (programs and relocation_error is not None)
    )


def _write(data: dict[str, Any], *, log: bool, denied: bool) -> None:
    import sys

    from .output import filled, styled, table

    table(
        ["PROGRAM", "SECTION", "TYPE", "CO-RE", "HELPERS", "RESULT", "VERIFIED"],
        [
            [
                *(report["name"], report["section"]),
                _type_words(report),
                f"{len(report['failed_relocations'])} fail" if report["failed_relocations"] else "ok",
                f"{len(report['missing_helpers'])} missing" if report["missing_helpers"] else "ok",
                report["load"] + ("" if report["autoload"] else " (autoload off)"),
                report.get("verified_instructions"),
            ]
            for report in data["programs"]
        ],
    )
    for map in data["maps"]:
        if map["supported"] is False:
            print(f"\n{styled('map ' + map['name'], 'bold')}: this kernel has no maps of type {map['type']}")
    errors = [error for error in (data["relocation_error"], data["map_error"]) if error]
    # Once, where both are the same but for what was tried.
    told = {error.partition("\n")[2] or error: error for error in errors}
    for error in told.values():
        print(f"\n{filled(error, sys.stdout)}")
    for report in data["programs"]:
        _details(report, log=log)
    print()
    if data["loads"]:
        print(styled("It loads on this kernel.", "green"))
    elif denied:
        print(styled("Whether it loads on this kernel was not tried: this process may not.", "yellow"))
    else:
        print(styled("It does not load on this kernel.", "red"))


def _type_words(report: dict[str, Any]) -> str:
    return str(report["type"]) + {True: "", False: ": not here", None: ": unknown"}[report["supported"]]


def _details(report: dict[str, Any], *, log: bool) -> None:
    """What is wrong with a program."""
    import sys

    from .output import filled, styled

    lines = [
        f"instruction {each['instruction']} wants {each['wanted']}, which is not there"
        for each in report["failed_relocations"]
    ]
    lines += [f"it calls {helper}, which is not there" for helper in report["missing_helpers"]]
    if lines and report["load"] == _LOAD:
        lines.append("The verifier finds that it never gets there.")
    if not lines and "error" not in report:
        return
    print(f"\n{styled(report['name'], 'bold')}")
    for line in lines:
        print(f"  {line}")
    if "error" in report:
        for line in report["error"].splitlines():
            print(filled(f"  {line}", sys.stdout))
        if log and report["log"]:
            print(report["log"].rstrip("\n"))
        elif report["log"]:
            print(f"  `--log` shows the verifier's log, {report['log'].count(chr(10))} lines.")
