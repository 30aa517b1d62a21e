# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of iterators, and the files that run them."""

from __future__ import annotations

import os
from typing import IO, Any

from .._native import lib, open_fd
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
