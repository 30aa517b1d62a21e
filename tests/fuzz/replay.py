# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Runs a target on inputs once, without a fuzzer: `python -m tests.fuzz.replay TARGET [FILE...]`.

Without files on its seeds and on all that ever found a fault. Prints each name before its run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.inputs import found, seeds
from tests.fuzz.targets import TARGETS, close_shared


def main(target: str, *files: str) -> None:
    inputs = {file: Path(file).read_bytes() for file in files} or seeds(target) | found(target)
    for name, data in inputs.items():
        print(name, flush=True)
        TARGETS[target](data)
    close_shared()


if __name__ == "__main__":
    main(*sys.argv[1:])
