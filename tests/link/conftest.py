# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The fixtures of the conformance harness."""

from __future__ import annotations

import pytest

from tests.link.harness import AttachmentConformance, _alone, _loaded, is_left_out, origins_of, subject
from tests.link.places import cgroup_file_system, connection, datagrams, namespace, own_cgroup

__all__ = [
    "_alone",
    "_loaded",
    "cgroup_file_system",
    "connection",
    "datagrams",
    "namespace",
    "own_cgroup",
    "subject",
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the tests of a kind with programs of its origins."""
    cls = metafunc.cls
    if cls is not None and issubclass(cls, AttachmentConformance) and "origin" in metafunc.fixturenames:
        metafunc.parametrize("origin", origins_of(metafunc.function, cls))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Takes out what is no test of this kernel or kind."""
    left_out = [item for item in items if is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not is_left_out(item)]
