# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""build_skeletons: the step of a setuptools build that compiles BPF programs and makes skeletons of them.

It is a sub-command of `build`, as the documentation of setuptools describes them: wheels and installs run it,
editable installs make the skeletons beside their sources, and sdists get the sources and headers.
"""

from __future__ import annotations

import glob
import os
import shutil
import sysconfig
from typing import Any, ClassVar, NamedTuple

from setuptools import Command, Distribution
from setuptools.errors import SetupError

from ..errors import Error
from .compiler import compile_object
from .module import generate
from .settings import Settings
from .vmlinux import write_header

_NAME = "build_skeletons"
_SOURCE = ".bpf.c"


def add_to(distribution: Distribution, settings: Settings) -> None:
    """Adds the step to the build of a distribution."""
    if _NAME in distribution.cmdclass:
        return
    distribution.cmdclass[_NAME] = type(_NAME, (BuildSkeletons,), {"settings": settings})
    build: Any = distribution.get_command_class("build")
    commands = [*build.sub_commands, (_NAME, None)]
    distribution.cmdclass["build"] = type("build", (build,), {"sub_commands": commands})
    platform = settings.platform or sysconfig.get_platform()
    # What the command line says comes later.
    distribution.get_option_dict("bdist_wheel").setdefault("plat_name", ("pyproject.toml", platform))


class _Skeleton(NamedTuple):
    """A skeleton to make.

    Attributes:
        source: the source of its programs, in the project.
        module: the module, in the project.
        built: the same in the directory that a wheel is made of.
    """

    source: str
    module: str
    built: str


class BuildSkeletons(Command):
    """The command. Its `settings` are those of the project."""

    description = "compile BPF programs and make skeletons of them"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    settings: ClassVar[Settings]
    editable_mode = False
    build_lib: str
    build_temp: str

    def initialize_options(self) -> None:
        self.build_lib = self.build_temp = None  # type: ignore[assignment]

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_lib", "build_lib"), ("build_temp", "build_temp"))

    def run(self) -> None:
        directory = os.path.join(self.build_temp, "skeletons")
        os.makedirs(directory, exist_ok=True)
        if self.settings.vmlinux:
            shutil.copyfile(self.settings.vmlinux, os.path.join(directory, "vmlinux.h"))
        else:
            write_header(directory)
        for each in self._skeletons():
            path = each.module if self.editable_mode else each.built
            self.announce(f"making {path} of {each.source}", level=2)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._make(each.source, directory, path)

    def _make(self, source: str, directory: str, path: str) -> None:
        compiled = os.path.join(directory, os.path.basename(source)[: -len(".c")] + ".o")
        include = [directory, *self.settings.include]
        try:
            compile_object(
                source, compiled, clang=self.settings.clang, include=include, cflags=self.settings.cflags
            )
            text = generate(compiled)
        except Error as error:
            raise SetupError(str(error)) from error
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    # --- what setuptools asks ---------------------------------------------------------

    def get_source_files(self) -> list[str]:
        """What an sdist needs: the sources, and the headers beside them and in the directories of headers."""
        sources = self._sources()
        directories = {*map(os.path.dirname, sources), *self.settings.include}
        headers = {
            header
            for directory in directories
            for header in glob.glob(os.path.join(directory, "**", "*.h"), recursive=True)
        }
        return sorted({*sources, *headers, *([self.settings.vmlinux] if self.settings.vmlinux else [])})

    def get_outputs(self) -> list[str]:
        """The modules, where a wheel is made."""
        return [each.built for each in self._skeletons()]

    def get_output_mapping(self) -> dict[str, str]:
        """The modules, for an editable install: where they are expected, and where they are."""
        return {each.built: each.module for each in self._skeletons()} if self.editable_mode else {}

    # --- which ------------------------------------------------------------------------

    def _sources(self) -> list[str]:
        found: list[str] = []
        for pattern in self.settings.skeletons:
            matches = sorted(glob.glob(pattern, recursive=True))
            if not matches:
                raise SetupError(f"[tool.pylibbpf] skeletons: there is no {pattern}")
            found += matches
        for source in found:
            if not source.endswith(_SOURCE):
                raise SetupError(f"[tool.pylibbpf] skeletons: {source} must be named as tool{_SOURCE}")
        return found

    def _skeletons(self) -> list[_Skeleton]:
        build_py: Any = self.get_finalized_command("build_py")
        packages = {
            os.path.normpath(build_py.get_package_dir(package) or "."): package
            for package in self.distribution.packages or ()
        }
        found = []
        for source in self._sources():
            directory, file = os.path.split(source)
            package = packages.get(os.path.normpath(directory or "."))
            if package is None:
                raise SetupError(f"[tool.pylibbpf] skeletons: {source} is in the directory of no package")
            module = f"{file[: -len(_SOURCE)].replace('-', '_').replace('.', '_')}_skel"
            built = build_py.get_module_outfile(self.build_lib, package.split("."), module)
            found.append(_Skeleton(source, os.path.join(directory, f"{module}.py"), built))
        return found
