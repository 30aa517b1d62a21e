# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How a command is run, and how it ends: exit statuses, and errors without tracebacks."""

from __future__ import annotations

import os
import sys

from ..errors import Error, VerifierError
from .output import filled, styled
from .parser import parse
from .user_error import UserError

FAILED = 1
INTERRUPTED = 130  # as a shell says that SIGINT ended a command
NOBODY_READS = 141  # and SIGPIPE


def run(arguments: list[str] | None) -> int:
    """Runs a command and returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # Names from the kernel and paths may be no UTF-8, and the terminal's encoding may lack letters.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = parse(arguments)
        status: int | None = options.run(options)
        sys.stdout.flush()
        return status or 0
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except KeyboardInterrupt:
        return INTERRUPTED
    except (Error, UserError, OSError) as error:
        sys.stdout.flush()
        message = filled(f"pylibbpf: {words(error)}", sys.stderr).removeprefix("pylibbpf:")
        print(f"{styled('pylibbpf:', 'red', sys.stderr)}{message}", file=sys.stderr)
        return FAILED


def words(error: Exception) -> str:
    """An error as the user of a command reads it."""
    if isinstance(error, VerifierError):
        # The last line is for programmers.
        message = str(error).rpartition("\n")[0]
        return f"{message}\n  `pylibbpf check --log FILE` shows the verifier's whole log."
    if isinstance(error, OSError) and not isinstance(error, Error) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)
