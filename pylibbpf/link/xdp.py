# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Links of XDP programs, and their attachments through netlink."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, cast

from .._native import NULL, check, ffi, lib
from ..enums import AttachType, LinkType, ProgramType, XdpMode
from ..errors import BpfError, NotSupportedError
from .attachment import LinkOrAttachment, hold
from .create import create_link, link_options, raise_explained, require_program
from .netlink import NetlinkAttachment
from .target import describe_target, lend_target, or_no_interface

if TYPE_CHECKING:
    from .._libbpf import CData
    from .create import Attachable
    from .info import InterfaceInfo

# include/uapi/linux/if_link.h
_UPDATE_IF_NOEXIST = 1 << 0


class XdpLink(LinkOrAttachment):
    """A program on a device. It goes with its device: `info().ifindex` is 0 then.

    With `legacy=True` an attachment through netlink: `is_bpf_link` is False.
    """

    _kernel_type = LinkType.XDP

    if TYPE_CHECKING:

        def info(self) -> InterfaceInfo: ...


def attach_xdp(
    program: Attachable, interface: str | int, *, mode: XdpMode = XdpMode.DEFAULT, legacy: bool = False
) -> XdpLink:
    """Attaches an XDP program to a device, which has one per mode.

    Args:
        program: a loaded `Xdp`, of any origin.
        interface: the device, by name or index, of the network namespace of this thread.
        mode: which part of the kernel runs it; by default the driver if it can, else the
            network stack.
        legacy: attach without a link, through netlink, for kernels before 5.9. Such an
            attachment outlives the process if nobody closes it.

    Returns:
        An `XdpLink`. The caller owns it.

    Raises:
        ProgramTypeError: the program is of another type.
        NotFoundError: there is no such device.
        ExistsError, BpfError: EBUSY or EEXIST: the device has a program already.
        NotSupportedError: this kernel has no such links; the driver cannot do it in this mode.

    libbpf: bpf_link_create, as bpf_program__attach_xdp does it (5.9); bpf_xdp_attach (4.8).
    """
    require_program(program, ProgramType.XDP)
    mode = XdpMode(mode)
    where = describe_target(interface)
    operation = f"attach program '{program.name}' to"
    with lend_target(interface, AttachType.XDP, operation) as index:
        if legacy:
            return _attach_legacy(program, index, mode, operation, where)
        options = link_options()
        options.flags = mode
        try:
            link = create_link(
                program, index, AttachType.XDP, options, where=where, link_type=LinkType.XDP,
            )  # fmt: skip
        except BpfError as error:
            raise_explained(error, _explained(error, index))
    return cast("XdpLink", link)


def _explained(error: BpfError, index: int) -> BpfError:
    if isinstance(error, NotSupportedError) and not error.hint:
        error.hint = "The driver of the device has no XDP: XdpMode.SKB works with every device."
    elif error.errno in (errno.EBUSY, errno.EEXIST):
        error.hint = (
            "The device has an XDP program already, in this mode or another: end that, or update() its link."
        )
    elif not error.hint:
        return or_no_interface(error, index)
    return error


def query_xdp(index: int, operation: str, subject: str) -> dict[XdpMode, int]:
    """The ids of the XDP programs of a device, by their modes, whatever attached them.

    libbpf: bpf_xdp_query.
    """
    options = ffi.new("struct bpf_xdp_query_opts *")
    # Without the fields of 6.3, which are the device's and another message.
    options.sz = ffi.offsetof("struct bpf_xdp_query_opts", "feature_flags")
    check(lib.bpf_xdp_query(index, 0, options), operation, subject)
    ids = {
        XdpMode.HARDWARE: options.hw_prog_id,
        XdpMode.DRIVER: options.drv_prog_id,
        XdpMode.SKB: options.skb_prog_id,
    }
    return {mode: id for mode, id in ids.items() if id}


# --- through netlink ------------------------------------------------------------------------


class _XdpAttachment(NetlinkAttachment):
    def __init__(self, index: int, program_fd: int, mode: XdpMode) -> None:
        super().__init__(index, program_fd)
        self.mode = mode

    def attach(self, program_fd: int, old_fd: int) -> int:
        options = NULL if old_fd < 0 else _old(old_fd)
        flags = self.mode | (_UPDATE_IF_NOEXIST if old_fd < 0 else 0)
        return lib.bpf_xdp_attach(self.index, program_fd, flags, options)

    def detach(self) -> int:
        return lib.bpf_xdp_detach(self.index, self.mode, _old(self.program_fd))


def _old(fd: int) -> CData:
    """Which program must be there: libbpf turns it into XDP_FLAGS_REPLACE (5.7)."""
    options = ffi.new("struct bpf_xdp_attach_opts *")
    options.sz = ffi.sizeof("struct bpf_xdp_attach_opts")
    options.old_prog_fd = fd
    return options


def _attach_legacy(program: Attachable, index: int, mode: XdpMode, operation: str, where: str) -> XdpLink:
    with program._fd_handle() as fd:
        attachment = _XdpAttachment(index, fd, mode)
        try:
            handle = hold(attachment, lambda: check(attachment.attach(fd, -1), operation, where))
        except BpfError as error:
            raise_explained(error, _explained(error, index))
    return XdpLink._of_attachment(handle)
