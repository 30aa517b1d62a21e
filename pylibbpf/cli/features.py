# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""features: what the running kernel supports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .parser import add_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

HELP = "report what this kernel supports"
DESCRIPTION = """\
Reports what the running kernel supports, by asking it and never by its version. What this process may
not ask is told as unknown.
"""
EXAMPLES = """
  {prog} features
  {prog} features --helpers             also helper functions, in seconds
  {prog} features --json | jq .map_types.ARENA
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--helpers", action="store_true", help="also the helper functions by type of program")
    add_json(parser)


_TITLES = {
    "program_types": "types of programs",
    "map_types": "types of maps",
    "link_types": "types of links",
    "attach_types": "attach types",
    "program_flags": "flags of programs",
    "btf_kinds": "kinds of BTF",
}


# What the kernel's settings (sysctl) say by numbers.
_SETTINGS: dict[str, dict[int, str]] = {
    "jit": {0: "off", 1: "on", 2: "on, and traced"},
    "unprivileged_disabled": {0: "no", 1: "yes, until the next boot", 2: "yes"},
    "stats": {0: "off", 1: "on"},
}


def run(options: argparse.Namespace) -> None:
    from ..features import report
    from .output import facts, styled, wrapped, write_json

    found = report(helpers=options.helpers)
    if options.json:
        write_json(found)
        return
    limits = found["limits"]
    sets = ", ".join(f"v{version}" for version in found["instruction_sets"]) or None
    for name, words in _SETTINGS.items():
        limits[name] = words.get(limits[name], limits[name])
    facts({"kernel": found["kernel"], "instruction_sets": sets, **limits})
    for name, title in _TITLES.items():
        _section(title, found[name])
    for hook, answers in found["attach_flags"].items():
        _section(f"flags to attach, {hook}", answers)
    for type, helpers in found.get("helpers", {}).items():
        print(f"\n{styled(f'helpers of {type}: {len(helpers)}', 'bold')}")
        wrapped(helpers)
    if any(None in found[name].values() for name in _TITLES):
        _tell_unknown()


def _tell_unknown() -> None:
    """Says why something is unknown."""
    import os
    import sys

    from .output import filled

    message = "unknown: the kernel did not permit this process to try it"
    if os.geteuid() != 0:
        message += "; run it as root to know more"
    print(f"\n{filled(message, sys.stdout)}")


def _section(title: str, answers: Mapping[str, Any]) -> None:
    from .output import styled, wrapped

    has = [name for name, answer in answers.items() if answer]
    print(f"\n{styled(f'{title}: {len(has)} of {len(answers)}', 'bold')}")
    for words, colour, names in (
        ("yes", "green", has),
        ("no", "red", [name for name, answer in answers.items() if answer is False]),
        ("unknown", "yellow", [name for name, answer in answers.items() if answer is None]),
    ):
        if names:
            print(f"  {styled(words, colour)}")
            wrapped(names, "    ")
