# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Makes skeletons of compiled objects, and imports them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from pylibbpf.skeleton import generate


def load(path: Path) -> Any:
    """Imports a module from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def make(bpf_object: Path, directory: Path, **options: Any) -> Any:
    """Makes the skeleton of an object in a directory, and imports it."""
    path = directory / f"{bpf_object.name.removesuffix('.bpf.o')}_skel.py"
    path.write_text(generate(bpf_object, **options))
    return load(path)
