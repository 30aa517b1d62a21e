# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of iterators, and the files that run them."""

from __future__ import annotations

import os
from typing import IO, Any, cast

from .._native import NULL, lib, open_fd
from ..enums import AttachType, ProgramType
from ..errors import ProgramTypeError
from .create import Attachable, create_link, require_program
from .link import Link


class IterLink(Link):
    """An iterator, attached to its target. Each file that `open` returns walks the target once."""

    _updatable = True

    def open(self, mode: str = "rb", buffering: int = -1, encoding: str | None = None) -> IO[Any]:
        """A file whose reading runs the program.

        Args:
            mode: "rb", or "r" for text.
            buffering: bytes of its buffer, as for the built-in open; 0 for none.
            encoding: for text, by default UTF-8.

        The file lives on when the link is closed. Reading gives what the program writes
        by bpf_seq_write and bpf_seq_printf.

        libbpf: bpf_iter_create (BPF_ITER_CREATE, 5.8).
        """
        if mode not in ("rb", "r", "rt"):
            raise ValueError(f"an iterator can only be read: mode is 'rb' or 'r', not {mode!r}")
        with self._handle:
            handle = open_fd(
                lib.call_bpf_iter_create, self._fd, operation="create an iterator of", subject=repr(self)
            )
        return os.fdopen(handle.take(), mode, buffering, encoding or (None if "b" in mode else "utf-8"))

    def into_file(self, mode: str = "rb") -> IO[Any]:
        """As `open`, and gives up the link for it; on failure the link stays."""
        file = self.open(mode)
        self.close()
        return file


def attach_iter(program: Attachable) -> IterLink:
    """Attaches an iterator to the target it was loaded for. The caller owns the link.

    Args:
        program: a loaded `Iter`, of any origin.

    Raises:
        ProgramTypeError: the program is no iterator.

    libbpf: bpf_link_create (5.8).
    """
    require_program(program, ProgramType.TRACING)
    if program.expected_attach_type != AttachType.TRACE_ITER:
        raise ProgramTypeError(
            f"program '{program.name}' is no iterator, or was not opened as one: use Iter.from_pin"
        )
    return cast("IterLink", create_link(program, 0, AttachType.TRACE_ITER, NULL))
