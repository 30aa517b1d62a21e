# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BTF in the kernel: BPF_BTF_LOAD."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from .._native import Handle, check, ffi, lib, open_fd
from ..errors import BpfError, FormatError, NotSupportedError

if TYPE_CHECKING:
    from types import TracebackType

    from .btf import Btf

_LOG_SIZE = 1 << 16


class LoadedBtf:
    """Types that the kernel has loaded: they stay as long as this, a map or a program has them.

    A context manager. `Btf.load` makes it.
    """

    __slots__ = ("_handle",)

    def __init__(self, handle: Handle) -> None:
        """Use `Btf.load`."""
        handle.what = "loaded BTF"
        self._handle = handle

    def _fd_handle(self) -> Handle:
        return self._handle

    def fileno(self) -> int:
        """The fd, which stays this object's. ClosedError after `close`."""
        with self._handle as fd:
            return int(fd)

    @property
    def fd(self) -> int:
        """The same as `fileno()`."""
        return self.fileno()

    @property
    def id(self) -> int:
        """The kernel's id of it, for `Btf.from_id` (4.18)."""
        info = ffi.new("struct bpf_btf_info *")
        size = ffi.new("uint32_t *", ffi.sizeof("struct bpf_btf_info"))
        with self._handle as fd:
            check(lib.bpf_obj_get_info_by_fd(fd, info, size), "get the info of", "BTF")
        return int(info.id)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._handle.closed

    def close(self) -> None:
        """Lets go of it. Idempotent."""
        self._handle.close()

    def __enter__(self) -> LoadedBtf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LoadedBtf{', closed' if self.closed else ''}>"


def load(btf: Btf) -> LoadedBtf:
    """Loads a Btf."""
    if btf.base is not None:
        raise NotSupportedError(
            errno.EOPNOTSUPP,
            "load the BTF of",
            btf._label,
            hint="It is split from another, which the kernel takes from modules only.",
        )
    image = btf.to_bytes()
    try:
        return LoadedBtf(_load(image, btf._label, None))
    except BpfError as error:
        if error.errno not in (errno.EINVAL, errno.E2BIG):
            raise
    # Once more, for what the kernel has to say about it.
    log = ffi.new("char[]", _LOG_SIZE)
    options = ffi.new("struct bpf_btf_load_opts *")
    options.sz = ffi.sizeof("struct bpf_btf_load_opts")
    options.log_buf, options.log_size, options.log_level = log, _LOG_SIZE, 1
    try:
        return LoadedBtf(_load(image, btf._label, options))
    except BpfError as error:
        said = ffi.string(log).decode(errors="replace").splitlines()
        raise FormatError(
            error.errno or errno.EINVAL, "load the BTF of", btf._label, messages=said or error.messages
        ) from None


def _load(image: bytes, label: str, options: object) -> Handle:
    return open_fd(
        lib.call_bpf_btf_load,
        ffi.from_buffer(image),
        len(image),
        options or ffi.NULL,
        operation="load the BTF of",
        subject=label,
    )
