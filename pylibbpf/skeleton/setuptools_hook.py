# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What setuptools calls in every build where pylibbpf is installed.

It does nothing for a project without [tool.pylibbpf] in its pyproject.toml, and loads nothing for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from setuptools import Distribution


def finalize_distribution_options(distribution: Distribution) -> None:
    """Adds the build of skeletons to the build of a project that asks for it."""
    from .settings import SettingsError, read_settings

    try:
        settings = read_settings()
    except SettingsError as error:
        from setuptools.errors import SetupError

        raise SetupError(str(error)) from error
    if settings is not None:
        from .build_step import add_to

        add_to(distribution, settings)
