# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The size of the extension without its debug information."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from .harness import ROOT, Figure


def figures() -> list[Figure]:
    extension = ROOT / "pylibbpf" / "_libbpf.abi3.so"
    with tempfile.TemporaryDirectory() as directory:
        stripped = Path(directory) / extension.name
        subprocess.run(["strip", "-o", str(stripped), str(extension)], check=True)
        kilobytes = stripped.stat().st_size / 1000
    return [Figure("the extension, stripped", [kilobytes], [], "KB", 800)]
