# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The tree of commands, for argparse: each module says what its command is, takes and does."""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .. import __version__

if TYPE_CHECKING:
    from typing import NoReturn

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
  {prog} run tool.bpf.o                 write its events until Ctrl-C
  {prog} features                       what this kernel supports
"""


# Between a command and what is said of it.
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")


class _Formatter(argparse.HelpFormatter):
    """Fills paragraphs to the terminal's width, and leaves indented lines as they are, but for gaps between
    columns, which give way where the terminal is narrow or the program's name long."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        import textwrap

        # argparse leaves two columns free.
        excess = max(map(len, text.splitlines()), default=0) - (width + 2)
        lines: list[str] = []
        paragraph: list[str] = []
        for line in [*text.splitlines(), ""]:
            if line and not line.startswith(" "):
                paragraph.append(line)
                continue
            if paragraph:
                lines.append(textwrap.fill(" ".join(paragraph), width))
                paragraph = []
            if excess > 0 and line.startswith(" "):
                line = _GAP.sub(lambda gap: " " * max(2, len(gap[0]) - excess), line)
            lines.append(line)
        return "\n".join(lines).rstrip()


class _Parser(argparse.ArgumentParser):
    """Says what a wrong word may have been meant to be, in lines that fit the terminal."""

    def error(self, message: str) -> NoReturn:
        from .output import filled

        if message.endswith("required: COMMAND"):
            self.print_help(sys.stderr)  # who does not know any yet
            sys.stderr.write("\n")
        else:
            self.print_usage(sys.stderr)
        self.exit(2, filled(f"{self.prog}: error: {message}", sys.stderr) + "\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        from ..suggestions import close_matches, did_you_mean

        choices = [str(choice) for choice in action.choices]
        likely = [f"'{choice}'" for choice in close_matches(str(value), choices)]
        if action.dest == "command" and not likely:
            # "list" is a command of several groups.
            likely = [f"'{' '.join(path)}'" for path in COMMANDS if len(path) > 1 and path[-1] == value]
        words = did_you_mean(likely) or f"; there are {', '.join(choices)}"
        raise argparse.ArgumentError(action, f"there is no '{value}'{words}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """What the command line says: its `run` is to be called with it. Ends the process for a wrong one."""
    options, unknown = make_parser().parse_known_args(arguments)
    if unknown:
        from ..suggestions import close_matches, did_you_mean

        known = [name for name in options.parser._option_string_actions if name.startswith("--")]
        likely = [
            f"'{match}'"
            for word in unknown
            if word.startswith("--")
            for match in close_matches(word.partition("=")[0], known, 1)
        ]
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}{did_you_mean(likely)}")
    return options


class _Version(argparse.Action):
    """Prints the versions: libbpf's is asked for only then, since that loads the extension."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .._native import libbpf_version

        print(f"pylibbpf {__version__}, libbpf {libbpf_version()}")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """The parser of everything. It imports the commands' modules, and nothing that they need to run."""
    prog = _program_name()
    parser: argparse.ArgumentParser = _parser(_Parser, prog, _DESCRIPTION, _EXAMPLES)
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
        command.set_defaults(run=module.run, parser=command)
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


def seconds(text: str) -> float:
    """A duration as the user writes it, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds")
    return number


def count(text: str) -> int:
    """How many, 1 at least, as the user writes it, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 on")
    return int(text)


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option that all commands with data have."""
    parser.add_argument("--json", action="store_true", help="write JSON")
