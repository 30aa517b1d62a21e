# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Tracked links: what `attach()` returned, and its program or map closes, unless they are taken."""

from __future__ import annotations

import contextlib

from .errors import NotAttachedError

# Type checkers take a name like this for true; typing itself would cost 5 ms to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, TypeVar

    from .link import Link

    L = TypeVar("L", bound=Link)


class TracksLinks:
    """What tracks links. The class says what it is in `_pin_word`, and begins with an empty `_links`."""

    name: str
    _pin_word: ClassVar[str]
    _links: list[Link]

    @property
    def links(self) -> tuple[Link, ...]:
        """The tracked links: what `attach` returned and is neither taken nor closed."""
        self._links = [link for link in self._links if not link.closed]
        return tuple(self._links)

    def detach(self, link: Link) -> None:
        """Ends a tracked link.

        Raises:
            NotAttachedError: it is not tracked here: it was detached or taken, or is another's.
        """
        self._untrack(link)
        link.close()

    def take_link(self, link: L) -> L:
        """Hands a tracked link to the caller, who closes it from then on. It survives `close`.

        Raises:
            NotAttachedError: it is not tracked here.
        """
        self._untrack(link)
        return link

    def _untrack(self, link: Link) -> None:
        try:
            self._links.remove(link)
        except ValueError:
            raise NotAttachedError(f"{self._pin_word} '{self.name}' does not track {link!r}") from None
        link._tracked = False
        if link.closed:
            raise NotAttachedError(f"{self._pin_word} '{self.name}': {link!r} was closed before")

    def _track(self, link: L) -> L:
        link._tracked = True
        count = len(self._links)
        if count & (count - 1) == 0:
            # At each power of two: those that their callers closed would pile up here.
            self._links = [other for other in self._links if not other.closed]
        self._links.append(link)
        return link

    def _detach_all(self) -> None:
        with contextlib.ExitStack() as stack:
            for link in self.links:
                stack.callback(self.detach, link)
