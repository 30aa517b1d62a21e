# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Iteration while the map changes: it ends, sees each key once, and passes no key that stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from pylibbpf import BpfError, Btf, Object
from pylibbpf.maps import HashMap, walk
from tests.conftest import eventually
from tests.maps.conftest import despite_timeouts

pytestmark = pytest.mark.needs("root")


@pytest.fixture(params=["batches", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to walk a hash: in batches, and as kernels and kinds without them do."""
    if request.param == "one by one":
        monkeypatch.setattr(HashMap, "_batches", False)
    return str(request.param)


@pytest.fixture
def hash(vmlinux: Btf, way: str) -> Iterator[HashMap[int, int]]:
    options: dict[str, Any] = {"key_type": "u32", "value_type": "u64", "max_entries": 4096}
    # Preallocated: under pressure the kernel may have no memory for an element at that moment (6.1: ENOMEM).
    with HashMap.create(btf=vmlinux, **options) as map:
        yield map


def test_both_ways_see_the_same(hash: HashMap[int, int]) -> None:
    wanted = {key: -key & 0xFFFF for key in range(1000)}
    hash.update(wanted)
    assert dict(hash.items()) == wanted
    assert sorted(hash) == sorted(wanted)
    assert sorted(hash.values()) == sorted(wanted.values())
    assert len(hash) == len(wanted)
    hash.clear()
    assert (len(hash), list(hash), list(hash.items())) == (0, [], [])


def test_each_key_can_be_deleted_as_it_is_seen(hash: HashMap[int, int]) -> None:
    hash.update(dict.fromkeys(range(500), 1))
    seen = []
    for key in hash:
        seen.append(key)
        del hash[key]
    assert sorted(seen) == list(range(500))
    assert len(hash) == 0


def test_keys_that_vanish_under_items_are_no_error(hash: HashMap[int, int]) -> None:
    hash.update(dict.fromkeys(range(500), 1))
    seen = []
    for key, value in hash.items():
        seen.append(key)
        assert value == 1
        if len(seen) == 100:
            hash.clear()
    assert len(seen) == len(set(seen)) >= 100


def test_a_new_key_for_every_key_does_not_go_on_for_ever(hash: HashMap[int, int]) -> None:
    hash.update(dict.fromkeys(range(100), 1))
    seen = []
    for key in hash:
        seen.append(key)
        if len(seen) < 1000:
            hash[1000 + len(seen)] = 2
    assert len(seen) == len(set(seen)) <= 1100
    assert set(range(100)) <= set(seen)


@pytest.mark.parametrize("what", ["keys", "items", "values"])
def test_what_stays_is_seen_once_while_a_thread_deletes_and_adds_the_rest(
    hash: HashMap[int, int], what: str
) -> None:
    stay = set(range(0, 900, 3))
    come_and_go = [key for key in range(900) if key not in stay]
    hash.update({key: key for key in range(900)})
    stop = threading.Event()
    failures: list[BaseException] = []

    def delete_or_add(key: int) -> None:
        try:
            del hash[key]
        except KeyError:
            hash[key] = key

    def disturb() -> None:
        try:
            while not stop.is_set():
                for key in come_and_go:
                    if stop.is_set():
                        break
                    despite_timeouts(partial(delete_or_add, key))
        except BaseException as error:
            failures.append(error)

    def walk_through() -> list[int]:
        return [item[0] if what == "items" else item for item in getattr(hash, what)()]

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(3):
            found = despite_timeouts(walk_through)
            assert len(found) == len(set(found))
            assert stay <= set(found)
            assert set(found) <= set(range(900))
    finally:
        stop.set()
        thread.join()
    assert not failures


def test_two_threads_share_an_iterator_no_more_than_a_list_would(hash: HashMap[int, int]) -> None:
    hash.update({key: key for key in range(1000)})
    results: list[set[int]] = []

    def walk_through() -> None:
        results.append(despite_timeouts(lambda: set(hash)))

    threads = [threading.Thread(target=walk_through) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [set(range(1000))] * 4


def test_an_iterator_that_is_left_behind_holds_nothing(hash: HashMap[int, int]) -> None:
    hash.update({key: key for key in range(1000)})
    iterator = iter(hash)
    next(iterator)
    del iterator
    hash.close()


@pytest.mark.kernel("5.6", "batches")
def test_a_bucket_that_is_larger_than_a_batch_comes_whole(
    vmlinux: Btf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "_FIRST", 1)
    monkeypatch.setattr(walk, "_BYTES", 12)
    with HashMap.create(btf=vmlinux, key_type="u32", value_type="u64", max_entries=3000) as map:
        map.update({key: key for key in range(3000)})
        assert dict(map.items()) == {key: key for key in range(3000)}
        map.clear()
        assert len(map) == 0


class Script:
    """A map of bytes in a fixed order, that begins anew behind a key that is not there, as the kernel does.

    Called back before each step, so that a test says exactly when a key vanishes.
    """

    _label = "map 'script'"
    max_entries = 16

    def __init__(self, keys: bytes, before_step: Callable[[Script, int], None]) -> None:
        self.keys = [bytes([key]) for key in keys]
        self.before_step = before_step
        self.steps = 0

    def next_key_bytes(self, key: bytes | None = None) -> bytes | None:
        self.steps += 1
        self.before_step(self, self.steps)
        if key is None or key not in self.keys:
            return self.keys[0] if self.keys else None
        at = self.keys.index(key) + 1
        return self.keys[at] if at < len(self.keys) else None

    def lookup_bytes(self, key: bytes) -> bytes | None:
        return b"" if key in self.keys else None

    def walk(self) -> bytes:
        keys: Any = walk.keys(self)  # type: ignore[arg-type]
        return b"".join(keys)


def test_a_walk_goes_on_where_its_last_key_vanished() -> None:
    def vanish(script: Script, step: int) -> None:
        if step == 4:
            script.keys.remove(b"c")

    script = Script(b"abcdef", vanish)
    assert script.walk() == b"abcdef"
    assert script.steps < 24


def test_a_walk_goes_back_past_several_keys_that_vanished() -> None:
    def vanish(script: Script, step: int) -> None:
        if step == 5:
            script.keys = [key for key in script.keys if key not in (b"b", b"c", b"d")]

    assert Script(b"abcdefg", vanish).walk() == b"abcdefg"


def test_a_walk_begins_anew_when_all_it_saw_has_vanished() -> None:
    def vanish(script: Script, step: int) -> None:
        if step == 4:
            script.keys = [b"x", b"d", b"e"]

    assert sorted(Script(b"abcde", vanish).walk()) == sorted(b"abcxde")


def test_a_walk_passes_a_key_that_came_back_further_on() -> None:
    def move(script: Script, step: int) -> None:
        if step == 4:
            script.keys = [b"a", b"c", b"d", b"b", b"e"]

    assert Script(b"abcde", move).walk() == b"abcde"


def test_a_walk_sees_what_the_kernel_passed_over_the_first_time() -> None:
    def pass_over(script: Script, step: int) -> None:
        keys = b"abdef" if step == 3 else b"abcdef"  # the step behind b
        script.keys = [bytes([key]) for key in keys]

    assert Script(b"abcdef", pass_over).walk() == b"abdefc"


def test_a_walk_of_a_map_that_was_emptied_ends() -> None:
    def empty(script: Script, step: int) -> None:
        if step == 3:
            script.keys = []

    assert Script(b"abcde", empty).walk() == b"ab"


def test_a_walk_that_gets_nowhere_is_an_error_and_no_endless_loop() -> None:
    class Stuck(Script):
        def next_key_bytes(self, key: bytes | None = None) -> bytes | None:
            return self.keys[0]

    with pytest.raises(BpfError, match="faster than they can be read"):
        Stuck(b"a", lambda script, step: None).walk()


def test_a_walk_that_always_finds_new_keys_is_an_error_and_no_endless_loop() -> None:
    class Endless(Script):
        max_entries = 1

        def next_key_bytes(self, key: bytes | None = None) -> bytes | None:
            return (int.from_bytes(key or b"", "big") + 1).to_bytes(4, "big")

    with pytest.raises(BpfError, match="faster than they can be read"):
        Endless(b"", lambda script, step: None).walk()


def test_a_trie_ends_while_a_thread_changes_it(loaded: Object) -> None:
    prefixes: Any = loaded.maps["prefixes"]
    for number in range(16):
        prefixes[{"length": 32, "data": [10, 0, 0, number]}] = number
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            for number in range(0, 16, 2):
                key = {"length": 32, "data": [10, 0, 0, number]}
                del prefixes[key]
                prefixes[key] = number

    def sees_all_that_stay() -> bool:
        found = [key.data[3] for key in prefixes]
        assert len(found) == len(set(found))
        return set(range(1, 16, 2)) <= set(found)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(30):
            sees_all_that_stay()
        # The kernel passes over a neighbour now and then; walking twice makes that rare, and not impossible.
        eventually(sees_all_that_stay)
    finally:
        stop.set()
        thread.join()
