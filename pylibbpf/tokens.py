# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""BPF tokens: why libbpf could not make one, or what it does not allow.

libbpf makes the token of an object from the bpffs that `Object.open(token_path=...)` or the variable
LIBBPF_BPF_TOKEN_PATH of the environment names, and all of the object goes by it.
"""

from __future__ import annotations

import errno
import re

from .errors import BpfError, NotSupportedError, PermissionDeniedError
from .since import lacks_function

# libbpf.c:bpf_object_prepare_token
_NO_TOKEN = re.compile(r"object '.*': failed \(.*\) to create BPF token from '(.*)'$")
_NO_MOUNT = re.compile(r"object '.*': failed \(.*\) to open BPF FS mount at '(.*)'$")

# kernel/bpf/token.c:bpf_token_create
_HINTS = {
    errno.EINVAL: "It is not the root of a BPF file system.",
    errno.ENOENT: "That BPF file system delegates nothing: who mounts it says what, by the options "
    "delegate_cmds, delegate_maps, delegate_progs and delegate_attachs.",
    errno.EPERM: "A token is for processes of the user namespace that the BPF file system was opened in, "
    "with CAP_BPF there.",
    errno.EOPNOTSUPP: "There are no tokens in the initial user namespace: there a process has the rights "
    "itself, or not.",
}


def explain_token(error: BpfError, has_token: bool) -> BpfError:
    """The error of a load, with what tokens have to do with it.

    Args:
        error: what the kernel or libbpf answered.
        has_token: whether the object had a token.
    """
    for message in error.messages:
        if found := _NO_TOKEN.match(message):
            return _without_token(error, found[1])
        if found := _NO_MOUNT.match(message):
            error.hint = f"'{found[1]}' is not the directory where a BPF file system is mounted."
            return error
    if isinstance(error, PermissionDeniedError) and not error.hint:
        if has_token:
            error.hint = (
                "The BPF token does not allow it: it goes by what the BPF file system delegates (mount "
                "options delegate_cmds, delegate_maps, delegate_progs, delegate_attachs) and by the "
                "capabilities in its user namespace."
            )
        elif _is_in_user_namespace():
            error.hint = (
                "The capabilities of this process are those of a user namespace, which counts for BPF only "
                "with a BPF token (Linux 6.9): token_path names the BPF file system to make it from."
            )
    return error


def _without_token(error: BpfError, path: str) -> BpfError:
    if error.errno == errno.EINVAL and lacks_function("bpf_token_create"):
        return NotSupportedError(
            errno.EOPNOTSUPP, error.operation, error.subject, messages=error.messages,
            hint="BPF tokens came with Linux 6.9.",
        )  # fmt: skip
    if hint := _HINTS.get(error.errno or 0):
        error.hint = f"No BPF token from '{path}'. {hint}"
    return error


def _is_in_user_namespace() -> bool:
    """Whether ids are mapped, as they are in every user namespace but the first: user_namespaces(7)."""
    try:
        with open("/proc/self/uid_map") as ids:
            return ids.read().split() != ["0", "0", "4294967295"]
    except OSError:
        return False
