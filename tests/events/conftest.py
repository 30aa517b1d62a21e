# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Fixtures of the tests of event streams."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pylibbpf as bpf
from pylibbpf.events import waiting as waits
from tests.events.rings import Rings


@pytest.fixture
def rings(bpf_object: Callable[[str], Path]) -> Iterator[Rings]:
    with bpf.Object.open(bpf_object("ring")) as obj:
        obj.load()
        yield Rings(obj)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as a reader is about to wait for records."""
    event = threading.Event()
    wait = waits.poll_once

    def announced(*arguments: Any) -> None:
        event.set()
        wait(*arguments)

    monkeypatch.setattr(waits, "poll_once", announced)
    return event
