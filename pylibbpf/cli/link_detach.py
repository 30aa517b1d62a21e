# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""link detach: end an attachment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .references import add_reference
from .user_error import UserError

if TYPE_CHECKING:
    import argparse

HELP = "end an attachment"
DESCRIPTION = """\
Detaches a link, also if it is pinned or held by a process. The kernel can do that for links of cgroups,
network namespaces, XDP, tcx, netkit, sockmaps and struct_ops (Linux 5.9); the others end with the last
who holds them: `link show` tells who does.
"""
EXAMPLES = """
  {prog} link detach 5
  {prog} link detach /sys/fs/bpf/my_link
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_reference(parser, "link", "its id, or the path of its pin")


def run(options: argparse.Namespace) -> None:
    from .. import kernel
    from ..link import from_fd
    from .holding import holder_names, pinned_paths
    from .references import open_link

    with open_link(options.link) as opened, from_fd(opened.fd) as link:
        id, type = link.id, link.type
        link.detach()
        if not link.closed:
            return
    # The kernel cannot, and it was only our own hold on it that ended.
    holding = [*holder_names(kernel.holders().links, id), *pinned_paths("link", id)]
    raise UserError(
        f"the kernel cannot detach a link of type {type}; it ends with those who hold it: "
        f"{', '.join(holding) or 'nobody that can be seen from here'}"
    )
