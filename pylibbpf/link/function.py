# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The functions that tracing programs and extensions are for, by their name in BTF."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ..errors import NameNotFoundError, NotFoundError

if TYPE_CHECKING:
    from ..btf import Btf
    from .create import Attachable


def find_target(types: Btf, name: str, kind: str, where: str) -> int:
    """The BTF id of a target; NotFoundError, with what looks like it, if there is none."""
    try:
        return types.find(name, kind).id
    except NameNotFoundError as error:
        like = f" It has {', '.join(error.matches)}." if error.matches else ""
        raise NotFoundError(
            errno.ENOENT, f"find the attach target '{name}' in", where, hint=f"There is no such {kind}.{like}"
        ) from None


def find_function(program: Attachable, name: str) -> int:
    """The BTF id of a function of a loaded program, in the program's own BTF."""
    from ..btf import Btf

    where = f"program '{program.name}'"
    btf_id = program.info().btf_id
    if not btf_id:
        hint = "The program was loaded without BTF: compile it with -g."
        raise NotFoundError(errno.ENOENT, f"find the attach target '{name}' in", where, hint=hint)
    with Btf.from_id(btf_id) as types:
        return find_target(types, name, "func", where)
