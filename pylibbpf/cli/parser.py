# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The tree of commands, for argparse: each module says what its command is, takes and does."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import Any

from .. import __version__

# Commands by the words that call them, in the order of the help.
GROUPS = {
    "prog": "loaded programs",
    "map": "maps: what there is, and what is in them",
    "link": "links: what is attached where",
    "btf": "type information, of the kernel and of files",
    "object": "BPF object files",
    "gen": "make files",
}
COMMANDS = {
    ("prog", "list"): "prog_list",
    ("prog", "show"): "prog_show",
    ("prog", "profile"): "prog_profile",
    ("map", "list"): "map_list",
    ("map", "show"): "map_show",
    ("map", "dump"): "map_dump",
    ("map", "get"): "map_get",
    ("map", "set"): "map_set",
    ("map", "pop"): "map_pop",
    ("map", "delete"): "map_delete",
    ("link", "list"): "link_list",
    ("link", "show"): "link_show",
    ("link", "detach"): "link_detach",
    ("btf", "list"): "btf_list",
    ("btf", "show"): "btf_show",
    ("btf", "dump"): "btf_dump",
    ("btf", "find"): "btf_find",
    ("object", "show"): "object_show",
    ("check",): "check",
    ("run",): "run",
    ("iter",): "iter",
    ("pin",): "pin",
    ("unpin",): "unpin",
    ("tree",): "tree",
    ("features",): "features",
    ("gen", "object"): "gen_object",
    ("gen", "skeleton"): "gen_skeleton",
    ("completion",): "completion",
}

_DESCRIPTION = "Look at, check, run and change BPF programs, maps, links and types."
_EXAMPLES = """
  {prog} prog list                      every loaded program
  {prog} map dump counts                a map's elements, typed
  {prog} check tool.bpf.o               would it load here?
  {prog} run tool.bpf.o                 load, attach, and print events until Ctrl-C
  {prog} features                       what this kernel supports
"""


class _Formatter(argparse.HelpFormatter):
    """Fills paragraphs to the terminal's width, and leaves indented lines as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        import textwrap

        lines: list[str] = []
        paragraph: list[str] = []
        for line in [*text.splitlines(), ""]:
            if line and not line.startswith(" "):
                paragraph.append(line)
                continue
            if paragraph:
                lines.append(textwrap.fill(" ".join(paragraph), width))
                paragraph = []
            lines.append(line)
        return "\n".join(lines).rstrip()


class _Version(argparse.Action):
    """Prints the versions: libbpf's is asked for only then, since that loads the extension."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .._native import libbpf_version

        print(f"pylibbpf {__version__}, libbpf {libbpf_version()}")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """The parser of everything. It imports the commands' modules, and nothing that they need to run."""
    prog = _program_name()
    parser: argparse.ArgumentParser = _parser(argparse.ArgumentParser, prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--version", action=_Version, nargs=0, help="say the versions of pylibbpf and libbpf")
    top = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    groups: dict[str, Any] = {}
    for path, module_name in COMMANDS.items():
        module: Any = import_module(f".{module_name}", __package__)
        parent = top
        if len(path) > 1:
            group = path[0]
            if group not in groups:
                words = GROUPS[group]
                made = _parser(top.add_parser, f"{prog} {group}", f"{words.capitalize()}.", "", group, words)
                groups[group] = made.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
            parent = groups[group]
        command = _parser(
            parent.add_parser,
            f"{prog} {' '.join(path)}",
            module.DESCRIPTION,
            module.EXAMPLES,
            path[-1],
            module.HELP,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _parser(
    make: Any, prog: str, description: str, examples: str, name: str | None = None, help: str | None = None
) -> Any:
    epilog = "examples:\n" + examples.strip("\n").format(prog=_program_name()) if examples else None
    names = {"help": help} if name is not None else {}
    return make(
        *([] if name is None else [name]),
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=_Formatter,
        allow_abbrev=False,
        **names,
    )


def _program_name() -> str:
    """How it was called."""
    name = os.path.basename(sys.argv[0])
    return "python -m pylibbpf" if name in ("__main__.py", "-m", "-c", "") else name


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option that all commands with data have."""
    parser.add_argument("--json", action="store_true", help="write JSON")
