# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The skeleton of tests/bpf/skeleton.bpf.c, which has all that is hard to name or to type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.skeleton.making import make


@pytest.fixture(scope="session")
def odd(bpf_object: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module, typed Any: what type checkers know of it is tested elsewhere."""
    return make(bpf_object("skeleton"), tmp_path_factory.mktemp("skeleton"))
