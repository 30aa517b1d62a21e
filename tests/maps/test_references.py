# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Which programs the maps of an object name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pylibbpf.maps.references import programs_in_maps


def test_programs_of_tail_calls_and_of_operations_are_found(bpf_object: Callable[[str], Path]) -> None:
    image = bpf_object("maps_references").read_bytes()
    assert programs_in_maps(image) == {"first", "second", "undo"}
    assert programs_in_maps(memoryview(image)) == {"first", "second", "undo"}
    assert programs_in_maps(bpf_object("maps").read_bytes()) == frozenset()


@pytest.mark.host("every length of a file")
def test_what_is_no_object_names_none(bpf_object: Callable[[str], Path]) -> None:
    image = bpf_object("maps_references").read_bytes()
    for end in range(0, len(image), 7):
        assert programs_in_maps(image[:end]) <= {"first", "second", "undo"}
    assert programs_in_maps(b"\x7fELF" + b"\xff" * 100) == frozenset()
