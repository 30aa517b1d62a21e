# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Skeleton: what the class of every generated module does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..object import Object

if TYPE_CHECKING:
    import os

    from typing_extensions import Self

    from ..link import Link
    from .embedding import Embedded
    from .members import Maps, Programs
    from .variables import Variables


class Skeleton:
    """An object with a typed attribute for each of its programs, maps and global variables.

    The module that `pylibbpf gen skeleton` makes has a subclass for its object::

        with Tool.open() as tool:
            tool.variables.target_pid = 42
            tool.load()
            tool.attach()
            with bpf.RingBuffer(tool.maps.events, Event) as events:
                ...

    A context manager; `close()` is that of the object.

    Attributes:
        object: the `Object` that it is a view of, for all that has no method here.
        programs: its programs, each in the class of its kind.
        maps: its maps, with the types of their keys and values.
        variables: its global variables.
    """

    object: Object
    programs: Programs
    maps: Maps
    variables: Variables

    # What `embed` leaves here.
    _embedded: ClassVar[Embedded]

    def __init__(self) -> None:
        raise TypeError(f"use {type(self).__name__}.open() or {type(self).__name__}.open_and_load()")

    @classmethod
    def open(
        cls,
        *,
        kconfig: str | None = None,
        btf_path: str | os.PathLike[str] | None = None,
        pin_root: str | os.PathLike[str] | None = None,
        token_path: str | os.PathLike[str] | None = None,
        log_level: int = 0,
    ) -> Self:
        """Opens the embedded object; nothing is in the kernel yet.

        Args:
            kconfig: lines of kernel configuration that override the running kernel's.
            btf_path: BTF of the kernel, where /sys/kernel/btf/vmlinux is missing.
            pin_root: directory on a bpffs for maps that are pinned by name, by default /sys/fs/bpf.
            token_path: where a bpffs is mounted that delegates rights (6.9).
            log_level: verifier log level of all programs (`enums.LogLevel`).

        libbpf: bpf_object__open_mem, as bpf_object__open_skeleton does.
        """
        embedded = cls._embedded
        self = super().__new__(cls)
        self.object = Object.open(
            embedded.image, name=embedded.name, kconfig=kconfig, btf_path=btf_path, pin_root=pin_root,
            token_path=token_path, log_level=log_level,
        )  # fmt: skip
        try:
            embedded.bind(self.object)
            self.programs = embedded.programs(self.object.programs)
            self.maps = embedded.maps(self.object.maps)
            self.variables = embedded.variables(self.object)
        except BaseException:
            self.object.close()
            raise
        return self

    @classmethod
    def open_and_load(cls) -> Self:
        """Opens and loads the object. Raises what `load` raises, and leaves nothing behind then."""
        self = cls.open()
        try:
            self.load()
        except BaseException:
            self.close()
            raise
        return self

    def prepare(self) -> None:
        """Creates the maps and relocates the programs, without loading programs: `Object.prepare`."""
        self.object.prepare()

    def load(self) -> None:
        """Loads the object: CO-RE relocation, maps, verifier. Raises what `Object.load` raises."""
        self.object.load()

    def attach(self) -> list[Link]:
        """Attaches all that can be attached from its section alone, and every struct_ops map.

        Returns:
            The new links, which the programs and maps track. See `Object.attach` for what is left out.
        """
        return self.object.attach()

    def detach(self) -> None:
        """Detaches every link that the programs and maps track."""
        self.object.detach()

    def close(self) -> None:
        """Detaches the tracked links and frees the object. Idempotent."""
        self.object.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self.object.closed

    def __enter__(self) -> Self:
        self.object.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.object!r}>"
