# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Programs on sockets and socket maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..attach_types import ON_SOCKET_MAPS
from ..enums import AttachType, ProgramType
from .alone import LoadedAlone
from .netns import NetNsProgram

if TYPE_CHECKING:
    import socket

    from ..fds import HasFileno
    from ..link import SocketAttachment, SockMapLink


class SocketFilter(LoadedAlone):
    """Filters what a socket receives.

    Section: socket. Kernel: 3.19.
    """

    _type = ProgramType.SOCKET_FILTER
    _sections = ("socket",)

    def attach(self, sock: socket.socket | HasFileno | int) -> SocketAttachment:
        """Attaches it to a socket, in the place of another filter. The attachment is tracked.

        Args:
            sock: a `socket.socket`, or the fd of one.

        Raises:
            StateError: it is not loaded.
            And as `link.attach_socket_filter`.

        Kernel: SO_ATTACH_BPF (3.19).
        """
        from ..link import attach_socket_filter

        attachment = attach_socket_filter(self, sock)
        return self._track(attachment)


class SkReuseport(LoadedAlone):
    """Chooses the socket of an SO_REUSEPORT group.

    Section: sk_reuseport, sk_reuseport/migrate. Kernel: 4.19.
    """

    _type = ProgramType.SK_REUSEPORT
    _attach_types = (AttachType.SK_REUSEPORT_SELECT, AttachType.SK_REUSEPORT_SELECT_OR_MIGRATE)
    _sections = ("sk_reuseport", "sk_reuseport/migrate")

    def attach(self, sock: socket.socket | HasFileno | int) -> SocketAttachment:
        """Attaches it to the sockets that share a port (SO_REUSEPORT). The attachment is tracked.

        Args:
            sock: one of the sockets, or its fd.

        Raises:
            StateError: it is not loaded.
            And as `link.attach_reuseport`.

        Kernel: SO_ATTACH_REUSEPORT_EBPF (4.19).
        """
        from ..link import attach_reuseport

        attachment = attach_reuseport(self, sock)
        return self._track(attachment)


class SkMsg(LoadedAlone):
    """Intercepts messages that are sent on the sockets of a SockMap or SockHash.

    Passes, drops or redirects what sendmsg() and sendfile() send. Section: sk_msg. Kernel:
    4.17; links from 6.10.
    """

    _type = ProgramType.SK_MSG
    _attach_types = ON_SOCKET_MAPS[_type]
    _sections = ("sk_msg",)

    def attach(self, map: int | HasFileno, *, legacy: bool = False) -> SockMapLink:
        """Attaches it to a map of sockets. The link is tracked: `detach`, `take_link`.

        Args:
            map: the `SockMap` or `SockHash`, or its fd.
            legacy: attach without a link, which takes the place of another that was attached
                so: for kernels before 6.10. Such an attachment lasts as long as the map if
                nobody closes it.

        Raises:
            StateError: it is not loaded.
            NotSupportedError: this kernel has no such links, and `legacy` is False.
            And as `link.attach_sockmap`.

        libbpf: bpf_link_create (6.10), bpf_prog_attach_opts (4.17).
        """
        from ..link import attach_sockmap

        return self._track(attach_sockmap(self, map, legacy=legacy))


class SkSkb(LoadedAlone):
    """Parses and redirects what the sockets of a SockMap or SockHash receive.

    Section: sk_skb/stream_parser, sk_skb/stream_verdict, sk_skb/verdict. Kernel: 4.14;
    links from 6.10.
    """

    _type = ProgramType.SK_SKB
    _attach_types = ON_SOCKET_MAPS[_type]
    _sections = ("sk_skb", "sk_skb/stream_parser", "sk_skb/stream_verdict", "sk_skb/verdict")

    def attach(
        self, map: int | HasFileno, *, attach_type: AttachType | None = None, legacy: bool = False
    ) -> SockMapLink:
        """Attaches it to a map of sockets. The link is tracked: `detach`, `take_link`.

        Args:
            map: the `SockMap` or `SockHash`, or its fd.
            attach_type: the hook; by default what the section says.
            legacy: as for `SkMsg.attach`.

        Raises: as `SkMsg.attach`.

        libbpf: bpf_link_create (6.10), bpf_prog_attach_opts (4.14).
        """
        from ..link import attach_sockmap

        link = attach_sockmap(self, map, attach_type=attach_type, legacy=legacy)
        return self._track(link)


class SkLookup(NetNsProgram):
    """Chooses the listening socket for a new connection in a network namespace.

    Section: sk_lookup. Kernel: 5.9.
    """

    _type = ProgramType.SK_LOOKUP
    _attach_types = (AttachType.SK_LOOKUP,)
    _sections = ("sk_lookup",)
