# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Fuzzes one target: `make fuzz FUZZ=100000`, or `python -m tests.fuzz TARGET DIRECTORY -runs=100000`.

The engine is libFuzzer, as atheris brings it, guided by coverage of libbpf and the glue, which are
built with clang's instrumentation, AddressSanitizer and UndefinedBehaviorSanitizer. The
directory takes the inputs that reached something new. An input that fails is written to a file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

from tests.fuzz import sections
from tests.fuzz.inputs import found, seeds
from tests.fuzz.targets import TARGETS

# Bytes of an input at most, where small ones reach as much as large ones, in less time.
LONGEST = {"object": 8192, "elf": 8192, "btf": 1500, "btf_ext": 2000}


def main() -> None:
    name, directory, *options = sys.argv[1:]
    # In seconds and megabytes.
    options = [f"-max_len={LONGEST.get(name, 256)}", "-timeout=20", "-rss_limit_mb=3000", *options]
    corpus = Path(directory)
    corpus.mkdir(parents=True, exist_ok=True)
    for seed, image in (seeds(name) | found(name)).items():
        (corpus / seed).write_bytes(image)
    mutate = {"custom_mutator": sections.mutate} if name in ("object", "elf") else {}
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name], **mutate)
    atheris.Fuzz()


main()
