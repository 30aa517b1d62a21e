# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What commands change of an object before they load it: its variables, and which programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .user_error import UserError
from .values import parse

if TYPE_CHECKING:
    from ..object import Object


def set_variables(obj: Object, assignments: Iterable[str]) -> None:
    """Sets global variables, each by a "name=value"."""
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise UserError(f"--set takes NAME=VALUE, not '{assignment}'")
        variable = obj.variables[name]
        if variable.read_only:
            raise UserError(f"variable '{name}' is in {variable.section}, and cannot be set")
        variable.value = parse(text, variable._codec(), f"variable {name}")


def only_programs(obj: Object, names: Iterable[str]) -> None:
    """Leaves all programs out but these."""
    wanted = {obj.programs[name].name for name in names}
    for program in obj.programs.values():
        program.autoload = program.name in wanted
