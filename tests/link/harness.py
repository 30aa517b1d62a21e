# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What every kind of link must do, whatever it attaches and wherever its program came from.

A kind is a subclass of `LinkConformance`, or of `AttachmentConformance` if the kernel has no
links for it, in the test file of its family::

    class TestTracepoint(LinkConformance):
        object = "tracepoint"
        program, replacement = "on_exit", None
        kind, link_class = TracePoint, PerfEventLink

        def attach(self, program, where):
            return attach_tracepoint(program, "syscalls", "sys_enter_getpgid")

        def trigger(self, where):
            os.getpgid(0)

Every test below then runs for it, with the program of an object; and for each other origin of
the program one test that goes through it all. The programs count their runs in a global of
their name, `on_exit_runs`; an object that has a global `target_pid` gets this process's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

import pylibbpf as bpf
from pylibbpf.link import Link
from tests import requirements
from tests.conftest import eventually, link_ids

Test = TypeVar("Test", bound=Callable[..., None])

# Where a program can come from: `Object.load`, its own `load`, and the kernel.
ORIGINS = ("object", "alone", "pin", "id", "fd", "info")


@dataclass(frozen=True)
class Subject:
    """The object whose globals the programs count in, the program under test, and one to update to."""

    obj: bpf.Object
    program: Any
    replacement: Any = None


def older_than(version: str) -> bool:
    """Whether this kernel is."""
    return requirements.kernel_version() < requirements.parse_version(version)


def only_before(version: str) -> Callable[[Test], Test]:
    """Leaves a test out on kernels from the version on that an attribute of the class names."""

    def mark(function: Test) -> Test:
        function.only_before = version  # type: ignore[attr-defined]
        return function

    return mark


def each_origin(function: Test) -> Test:
    """Runs a test with the program of each origin but an object, where the others run with that."""
    function.each_origin = True  # type: ignore[attr-defined]
    return function


def origins_of(function: Callable[..., None], cls: type[AttachmentConformance]) -> list[str]:
    """With the programs of which origins a test runs."""
    others = hasattr(function, "each_origin")
    return [origin for origin in cls.origins if (origin != "object") == others]


def is_left_out(item: pytest.Item) -> bool:
    """Whether `only_before` leaves a test out on this kernel, or its kind has no other origins."""
    function = getattr(item, "function", None)
    if hasattr(function, "each_origin"):
        return not origins_of(function, item.cls)  # type: ignore[arg-type, attr-defined]
    attribute = getattr(function, "only_before", None)
    return attribute is not None and not older_than(getattr(item.cls, attribute))  # type: ignore[attr-defined]


class AttachmentConformance:
    """The tests of whatever is attached. A subclass says what, how, and what makes it fire."""

    object: ClassVar[str]
    program: ClassVar[str]
    replacement: ClassVar[str | None] = None
    kind: ClassVar[type[bpf.Program]]
    link_class: ClassVar[type[Link]]
    origins: ClassVar[tuple[str, ...]] = ORIGINS
    # The kernel that brought it; an older one is checked to say so, at load or at attach.
    since: ClassVar[str] = "5.8"
    # The kernel that brought the link, where an older one attaches without, as before 5.15 to perf events.
    link_since: ClassVar[str] = "5.8"
    # The kernel that lets a program attach again; before it each test loads its own.
    attaches_again_since: ClassVar[str] = "5.8"
    # What BPF_LINK_UPDATE and BPF_LINK_DETACH (5.9) do for this kind.
    updatable: ClassVar[bool] = False
    detachable: ClassVar[bool] = False

    # --- what a subclass says ---------------------------------------------------------

    def prepare(self, obj: bpf.Object, stack: ExitStack) -> None:
        """Configures the object before it is loaded; what it opens goes with the object."""

    def load_alone(self, program: Any) -> None:
        program.load()

    def attach(self, program: Any, where: Any) -> Link:
        raise NotImplementedError

    def trigger(self, where: Any) -> None:
        raise NotImplementedError

    def check(self, info: Any, where: Any) -> None:
        """Asserts the facts of the kind."""

    @pytest.fixture
    def where(self) -> Any:
        """What it is attached to."""

    # --- what it fires ----------------------------------------------------------------

    def fires(self, subject: Subject, where: Any, link: Link, name: str = "") -> bool:
        """Whether a trigger makes a program run, by default the program under test."""
        runs = subject.obj.variables[f"{name or self.program}_runs"]
        before = runs.value
        self.trigger(where)
        return bool(runs.value > before)

    def attached(self, subject: Subject, where: Any) -> Link:
        link = self.attach(subject.program, where)
        assert type(link) is self.link_class
        return link

    def close(self, link: Link, where: Any) -> None:
        link.close()

    def is_made_of_links(self, link: Link) -> bool:
        """Whether the kernel has a link for it, which others may keep open for a moment (`eventually`)."""
        return link.is_bpf_link

    def fires_until_it_is_closed(self, subject: Subject, where: Any, link: Link) -> None:
        assert self.fires(subject, where, link)
        self.close(link, where)
        if self.is_made_of_links(link):
            eventually(lambda: not self.fires(subject, where, link))
        else:
            assert not self.fires(subject, where, link)

    # --- the tests --------------------------------------------------------------------

    def test_it_fires_until_it_is_closed(self, subject: Subject, where: Any) -> None:
        link = self.attached(subject, where)
        self.fires_until_it_is_closed(subject, where, link)
        link.close()
        with pytest.raises(bpf.ClosedError):
            link.fileno()

    @each_origin
    def test_a_program_of_any_origin_goes_all_the_way(
        self, subject: Subject, where: Any, bpffs: Path
    ) -> None:
        self.fires_until_it_is_closed(subject, where, self.attached(subject, where))

    @only_before("since")
    def test_a_kernel_that_lacks_it_says_since_when_there_is_it(
        self, request: pytest.FixtureRequest, where: Any
    ) -> None:
        find = request.getfixturevalue("bpf_object")
        with _opened(request, find) as obj, pytest.raises(bpf.NotSupportedError, match=self.since):
            self.load_and_attach(obj, where)

    def load_and_attach(self, obj: bpf.Object, where: Any) -> None:
        obj.load()
        self.attach(obj.program(self.program, self.kind), where)


class LinkConformance(AttachmentConformance):
    """The tests of links, and on kernels before `link_since` of the attachments in their place.

    Each ends when its link fires no more: until then a hook of one program would refuse the next.
    """

    def require_link(self) -> None:
        requirements.require_kernel(self.link_since, "a link for it")

    def load_pinned(self, path: Path) -> Link:
        return bpf.link.load_pinned(path)

    def tells(self, subject: Subject, where: Any, link: Link) -> None:
        """Asserts what the kernel says of a link, and that it is found by id and fd."""
        assert link.is_bpf_link
        info = link.info()
        assert info.type == link.type
        assert info.id == link.id
        assert info.program_id == subject.program.id
        self.check(info, where)
        assert link.id in link_ids()
        for other in (bpf.link.from_id(link.id), bpf.link.from_fd(link.fd)):
            assert type(other) is self.link_class
            assert other.info() == info
            other.close()
        assert self.fires(subject, where, link)

    def from_its_pin(self, subject: Subject, where: Any, link: Link, pin: Path) -> Link:
        """Pins and closes a link; the same one, opened from there."""
        link.pin(pin)
        id = link.id
        link.close()
        loaded = self.load_pinned(pin)
        assert type(loaded) is self.link_class
        assert loaded.id == id
        assert loaded.pinned_path == str(pin)
        assert self.fires(subject, where, loaded)
        return loaded

    def updates_or_says_that_it_cannot(self, subject: Subject, where: Any, link: Link) -> str:
        """Puts in the other program, if the kernel can; the name of the one that is attached then."""
        if not self.updatable:
            with pytest.raises(bpf.NotSupportedError, match="keep their program"):
                link.update(subject.program)
            return self.program
        assert self.replacement is not None
        link.update(subject.replacement)
        assert link.info().program_id == subject.replacement.id
        assert self.fires(subject, where, link, self.replacement)
        assert not self.fires(subject, where, link)
        return self.replacement

    @each_origin
    def test_a_program_of_any_origin_goes_all_the_way(
        self, subject: Subject, where: Any, bpffs: Path
    ) -> None:
        link = self.attached(subject, where)
        if older_than(self.link_since):
            self.fires_until_it_is_closed(subject, where, link)
            return
        self.tells(subject, where, link)
        with self.from_its_pin(subject, where, link, bpffs / "link") as loaded:
            attached = self.updates_or_says_that_it_cannot(subject, where, loaded)
            if self.detachable:
                loaded.detach()
            loaded.unpin()
        eventually(lambda: not self.fires(subject, where, loaded, attached))

    def test_the_kernel_tells_what_was_asked(self, subject: Subject, where: Any) -> None:
        self.require_link()
        with self.attached(subject, where) as link:
            id = link.id
            self.tells(subject, where, link)
        eventually(lambda: id not in link_ids())
        eventually(lambda: not self.fires(subject, where, link))

    def test_a_pin_keeps_it_attached(self, subject: Subject, where: Any, bpffs: Path) -> None:
        self.require_link()
        link = self.attached(subject, where)
        pin, taken = bpffs / "link", bpffs / "taken"
        subject.program.pin(taken)
        with pytest.raises(bpf.ExistsError):
            link.pin(taken)
        with pytest.raises(TypeError, match="is a BPF prog, not a BPF link"):
            self.load_pinned(taken)
        subject.program.unpin()
        with self.from_its_pin(subject, where, link, pin) as loaded:
            with pytest.raises(TypeError, match="is a BPF link, not a BPF prog"):
                bpf.Program.from_pin(pin)
            loaded.unpin()
            assert not pin.exists()
            assert self.fires(subject, where, loaded)
        eventually(lambda: not self.fires(subject, where, loaded))

    def test_update_puts_in_another_program_or_says_that_it_cannot(
        self, subject: Subject, where: Any
    ) -> None:
        self.require_link()
        with self.attached(subject, where) as link:
            with pytest.raises(TypeError, match="takes a program"):
                link.update(None)  # type: ignore[arg-type]
            attached = self.updates_or_says_that_it_cannot(subject, where, link)
        eventually(lambda: not self.fires(subject, where, link, attached))

    def test_detach_ends_it_or_says_that_it_cannot(self, subject: Subject, where: Any, bpffs: Path) -> None:
        self.require_link()
        link = self.attached(subject, where)
        link.pin(bpffs / "link")
        if self.detachable:
            link.detach()
            assert not link.closed
        else:
            with pytest.raises(bpf.NotSupportedError, match="is pinned at"):
                link.detach()
            assert self.fires(subject, where, link)
            link.unpin()
            link.detach()
            assert link.closed
        eventually(lambda: not self.fires(subject, where, link))
        if self.detachable:
            link.unpin()
            link.close()

    @only_before("link_since")
    def test_an_attachment_that_is_no_link_says_since_when_there_is_one(
        self, subject: Subject, where: Any, bpffs: Path
    ) -> None:
        with self.attached(subject, where) as link:
            assert not link.is_bpf_link
            assert link.type is None
            for use in (
                lambda: link.id,
                link.info,
                lambda: link.pin(bpffs / "link"),
                lambda: link.update(subject.program),
            ):
                with pytest.raises(bpf.NotSupportedError, match=self.link_since):
                    use()
            assert self.fires(subject, where, link)
            link.detach()
            assert link.closed
            assert not self.fires(subject, where, link)


# --- fixtures, for tests/link/conftest.py ------------------------------------------------


@contextmanager
def _opened(request: pytest.FixtureRequest, find: Callable[[str], Path]) -> Iterator[bpf.Object]:
    cls: type[AttachmentConformance] = request.cls
    with ExitStack() as stack, bpf.Object.open(find(cls.object)) as obj:
        if "target_pid" in obj.variables:
            obj.variables["target_pid"].value = os.getpid()
        for name in _names(cls):
            obj.programs[name].autoload = True
        cls().prepare(obj, stack)
        yield obj


@contextmanager
def _loaded_object(request: pytest.FixtureRequest, find: Callable[[str], Path]) -> Iterator[bpf.Object]:
    with _opened(request, find) as obj:
        obj.load()
        yield obj


@contextmanager
def _loaded_alone(request: pytest.FixtureRequest, find: Callable[[str], Path]) -> Iterator[bpf.Object]:
    with _opened(request, find) as obj:
        for name in _names(request.cls):
            request.cls().load_alone(obj.program(name, request.cls.kind))
        yield obj


@pytest.fixture(scope="class")
def _loaded(request: pytest.FixtureRequest, bpf_object: Callable[[str], Path]) -> Iterator[bpf.Object]:
    """The object of a kind, loaded once for all its tests."""
    requirements.require_kernel(request.cls.since, f"links of {request.cls.kind.__name__}")
    with _loaded_object(request, bpf_object) as obj:
        _touch(request.cls, obj)
        yield obj


@pytest.fixture(scope="class")
def _alone(request: pytest.FixtureRequest, bpf_object: Callable[[str], Path]) -> Iterator[bpf.Object | None]:
    """The same object, of which only the programs under test are loaded, each by itself."""
    requirements.require_kernel(request.cls.since, f"links of {request.cls.kind.__name__}")
    if "alone" not in request.cls.origins or not requirements.REQUIREMENTS["prepare"].probe():
        yield None
        return
    with _loaded_alone(request, bpf_object) as obj:
        _touch(request.cls, obj)
        yield obj


def _names(cls: type[AttachmentConformance]) -> list[str]:
    return [name for name in (cls.program, cls.replacement) if name]


def _touch(cls: type[AttachmentConformance], obj: bpf.Object) -> None:
    """Makes what is made when it is first asked for, so that no test seems to leak it."""
    for name in _names(cls):
        assert obj.program(name, cls.kind).fd > 0
        if f"{name}_runs" in obj.variables:
            assert obj.variables[f"{name}_runs"].value == 0
    for map in obj.maps.values():
        assert map.fd > 0
    for program in obj.programs.values():
        with contextlib.suppress(bpf.StateError):  # not loaded
            assert program.fd > 0


@pytest.fixture
def subject(
    request: pytest.FixtureRequest,
    bpf_object: Callable[[str], Path],
    _loaded: bpf.Object,
    _alone: bpf.Object | None,
    origin: str,
    bpffs: Path,
) -> Iterator[Subject]:
    """The program under test, from an origin."""
    cls: type[AttachmentConformance] = request.cls
    if origin == "alone":
        requirements.require("prepare")
    with ExitStack() as stack:
        obj = _alone if origin == "alone" and _alone else _loaded
        if older_than(cls.attaches_again_since):
            load = _loaded_alone if origin == "alone" else _loaded_object
            obj = stack.enter_context(load(request, bpf_object))
        programs = [obj.program(name, cls.kind) for name in _names(cls)]
        if origin not in ("object", "alone"):
            programs = [stack.enter_context(_from_kernel(program, origin, bpffs)) for program in programs]
        yield Subject(obj, *programs)


def _from_kernel(program: bpf.Program, origin: str, bpffs: Path) -> bpf.Program:
    """The same program once more, as another process would open it."""
    kind = type(program)
    if origin == "id":
        return kind.from_id(program.id)
    if origin == "fd":
        return kind.from_fd(program.fd)
    if origin == "info":
        return kind.from_program_info(program.info(), program.name)
    path = bpffs / program.name
    program.pin(path)
    found = kind.from_pin(path)
    program.unpin()
    found._pinned_path = None
    return found
