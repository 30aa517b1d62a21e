# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""`load()` of the kinds that are loaded for no target: they can be attached anywhere."""

from __future__ import annotations

from .program import Program


class LoadedAlone(Program):
    """A kind whose programs can be loaded one by one."""

    def load(self) -> None:
        """Loads this program alone, out of its object, which is prepared if it was not.

        Raises:
            StateError: it is loaded already, or a load of its object failed.
            VerifierError: the verifier rejected it.
            NotSupportedError: the libbpf in use is older than 1.6.

        libbpf: bpf_object__prepare, bpf_prog_load.
        """
        self._load_alone(False)
