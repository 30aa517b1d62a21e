# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The kernels of the matrix: what they are called in Debian's archive, and a cache of them.

Kernels come through apt with a private configuration, built from the mirror that the machine's own
configuration names. That configuration is only read, and nothing is installed.
"""

from __future__ import annotations

import errno
import functools
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

APT = Path("/etc/apt")
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBIAN_ALIASES = {"oldoldstable", "oldstable", "stable", "testing", "unstable", "sid"}

# The versions of a kernel in the cache, without those that another run is about to put there.
VERSIONS = "[!.]*/release"

# The archive is asked again for a newer version after this many seconds; until then the cache serves.
CACHE_LIFETIME = 7 * 24 * 3600


@dataclass(frozen=True)
class Kernel:
    """A kernel of the matrix: where the archive keeps it.

    `image` matches the name of the package that holds vmlinuz; its group is the kernel release. `modules` is
    the package that holds the modules, with the release to fill in, where it is another one.
    """

    name: str
    suite: str
    image: str
    modules: str | None = None


KERNELS = (
    Kernel("5.10", "bullseye", r"linux-image-(5\.10\..+-cloud-amd64)-unsigned"),
    Kernel("6.1", "bookworm", r"linux-image-(6\.1\..+-cloud-amd64)-unsigned"),
    Kernel("6.12", "bookworm-backports", r"linux-image-(6\.12\..+-cloud-amd64)-unsigned"),
    Kernel("7.x", "sid", r"linux-binary-(7\..+-cloud-amd64)", modules="linux-modules-{release}"),
)


@dataclass(frozen=True)
class BootFiles:
    """A kernel in the cache: its release, its image, its directory of modules."""

    kernel: Kernel
    release: str
    vmlinuz: Path
    modules: Path


class NotOfferedError(Exception):
    """The archive no longer has this kernel."""


class UnreachableError(Exception):
    """The archive did not answer, and the cache has nothing."""


def boot_files(kernel: Kernel, *, refresh: bool = False) -> tuple[BootFiles, str | None]:
    """Return the newest version of `kernel`, and a remark if only the cache had it.

    A recent cache serves without asking the archive, unless `refresh` says so. Raises `NotOfferedError` and
    `UnreachableError`.
    """
    directory = cache_directory() / kernel.name
    cached = _cached(kernel, directory)
    looked = directory / "looked"
    if cached and not refresh and looked.exists() and time.time() - looked.stat().st_mtime < CACHE_LIFETIME:
        return cached, None
    try:
        with Archive(debian_mirror(machine_sources()), kernel.suite) as archive:
            package = archive.newest(kernel.image)
            if not (directory / package.version).exists():
                archive.unpack(kernel, package, directory)
    except (NotOfferedError, UnreachableError) as error:
        if cached is None:
            raise
        return cached, f"{error} Using {cached.release} from the cache."
    looked.touch()
    cached = _cached(kernel, directory)
    assert cached is not None
    return cached, None


def cache_directory() -> Path:
    """Return the directory that keeps kernels between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pylibbpf" / "kernels"


def _cached(kernel: Kernel, directory: Path) -> BootFiles | None:
    versions = [entry.parent.name for entry in directory.glob(VERSIONS)]
    if not versions:
        return None
    newest = directory / newest_version(versions)
    return BootFiles(kernel, (newest / "release").read_text(), newest / "vmlinuz", newest / "modules")


def newest_version(versions: Iterable[str]) -> str:
    """Return the newest of some Debian package versions, as dpkg orders them."""

    def compare(left: str, right: str) -> int:
        older = subprocess.run(["dpkg", "--compare-versions", left, "lt", right], check=False).returncode == 0
        return -1 if older else 1

    return max(versions, key=functools.cmp_to_key(compare))


# The machine's apt configuration


@dataclass(frozen=True)
class Source:
    """One binary source of an apt configuration."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def parse_deb822(text: str) -> list[Source]:
    """Parse a ``.sources`` file, sources.list(5)."""
    sources = []
    for stanza in re.split(r"\n(?:[ \t]*\n)+", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        uris, suites, components = (fields.get(key, "").split() for key in ("uris", "suites", "components"))
        signed_by = fields.get("signed-by", "")
        sources.append(Source(tuple(uris), tuple(suites), tuple(components), signed_by))
    return sources


def parse_one_line(text: str) -> list[Source]:
    """Parse a ``.list`` file, sources.list(5)."""
    sources = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<rest>[^#]+)", line)
        if match is None:
            continue
        options = dict(word.partition("=")[::2] for word in shlex.split(match["options"] or ""))
        uri, suite, *components = match["rest"].split()
        signed_by = options.get("signed-by", "").replace(",", " ")
        sources.append(Source((uri,), (suite,), tuple(components), signed_by))
    return sources


def machine_sources(apt: Path = APT) -> list[Source]:
    """Return the sources that the machine's apt configuration names."""
    sources = []
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.suffix == ".list" and path.is_file():
            sources += parse_one_line(path.read_text())
        elif path.suffix == ".sources":
            sources += parse_deb822(path.read_text())
    return sources


def debian_mirror(sources: Iterable[Source], codename: str | None = None) -> Source:
    """Return the source that is a mirror of Debian's main archive: it carries the suite of this machine."""
    suites = DEBIAN_ALIASES | {codename or platform.freedesktop_os_release().get("VERSION_CODENAME", "")}
    for source in sources:
        if "main" in source.components and suites.intersection(source.suites):
            return source
    raise UnreachableError("The machine's apt configuration names no mirror of Debian.")


# apt with a private configuration


@dataclass(frozen=True)
class Package:
    """A package that the archive offers; `release` is that of the kernel in it."""

    name: str
    version: str
    release: str


@dataclass
class Archive:
    """One suite of a Debian mirror, read by apt from a private directory that its block owns."""

    mirror: Source
    suite: str
    _directory: Path = field(init=False)

    def __enter__(self) -> Archive:
        self._directory = Path(tempfile.mkdtemp(prefix="pylibbpf-apt-"))
        try:
            self._configure()
            self._update()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._directory)

    def _configure(self) -> None:
        self._directory.chmod(0o755)  # apt drops to the user _apt for downloads
        for name in ("sources", "none", "lists/partial", "archives/partial"):
            (self._directory / name).mkdir(parents=True)
        signed_by = self.mirror.signed_by or (str(DEBIAN_KEYRING) if DEBIAN_KEYRING.exists() else "")
        stanza = {
            "Types": "deb",
            "URIs": " ".join(self.mirror.uris),
            "Suites": self.suite,
            "Components": "main",
            "Architectures": "amd64",
            **({"Signed-By": signed_by} if signed_by else {}),
        }
        (self._directory / "sources" / "debian.sources").write_text(
            "".join(f"{name}: {value}\n" for name, value in stanza.items())
        )
        # Check-Valid-Until: the Release file of a suite past its support has expired; its signature counts.
        (self._directory / "apt.conf").write_text(
            f"""
            #clear APT::Update::Pre-Invoke;
            #clear APT::Update::Post-Invoke;
            #clear APT::Update::Post-Invoke-Success;
            APT::Update::Error-Mode "any";
            Acquire::Check-Valid-Until "false";
            Acquire::Languages "none";
            Dir::Cache "{self._directory}";
            Dir::Etc::preferences "/dev/null";
            Dir::Etc::preferencesparts "{self._directory}/none";
            Dir::Etc::sourcelist "/dev/null";
            Dir::Etc::sourceparts "{self._directory}/sources";
            Dir::State::lists "{self._directory}/lists";
            Dir::State::status "/dev/null";
            """
        )

    def _apt(
        self, command: str, *arguments: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        configuration = str(self._directory / "apt.conf")
        return subprocess.run(
            [command, "-c", configuration, *arguments],
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _update(self) -> None:
        update = self._apt("apt-get", "update")
        if update.returncode == 0:
            return
        words = update.stdout + update.stderr
        if re.search(r"\b404\b", words):
            raise NotOfferedError(f"The archive no longer has the suite {self.suite}.")
        raise UnreachableError(f"The archive did not give the suite {self.suite}: {_last_words(words)}")

    def newest(self, pattern: str) -> Package:
        """Return the newest package whose name matches `pattern`, or raise `NotOfferedError`."""
        names = self._apt("apt-cache", "pkgnames", "linux-").stdout.split()
        matching = {name: match for name in names if (match := re.fullmatch(pattern, name))}
        versions: dict[str, str] = {}
        for line in self._apt("apt-cache", "madison", *matching).stdout.splitlines() if matching else ():
            name, version, _ = (column.strip() for column in line.split("|"))
            versions[version] = name
        if not versions:
            raise NotOfferedError(f"The archive no longer has {pattern} in {self.suite}.")
        version = newest_version(versions)
        name = versions[version]
        return Package(name, version, matching[name][1])

    def unpack(self, kernel: Kernel, package: Package, directory: Path) -> None:
        """Download `package` and put what boots into `directory`, in place of the version that was there."""
        names = [package.name]
        if kernel.modules:
            names.append(kernel.modules.format(release=package.release))
        downloads = self._directory / "downloads"
        downloads.mkdir()
        download = self._apt(
            "apt-get", "download", *(f"{name}={package.version}" for name in names), cwd=downloads
        )
        if download.returncode != 0:
            raise UnreachableError(f"The archive did not give {package.name}: {_last_words(download.stderr)}")
        unpacked = self._directory / "unpacked"
        for path in downloads.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(path), str(unpacked)], check=True)

        directory.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=directory))
        shutil.move(next(unpacked.rglob("vmlinuz*")), partial / "vmlinuz")
        shutil.move(next(unpacked.rglob("modules/*/kernel")), partial / "modules")
        (partial / "release").write_text(package.release)
        wanted = directory / package.version
        outdated = [entry.parent for entry in directory.glob(VERSIONS) if entry.parent != wanted]
        try:
            partial.rename(wanted)
        except OSError as error:
            # Another run was faster: what it put there is the same.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not (wanted / "release").exists():
                raise
            shutil.rmtree(partial)
        for old in outdated:
            shutil.rmtree(old, ignore_errors=True)


def _last_words(words: str) -> str:
    errors = [line for line in words.splitlines() if line.startswith(("E:", "W:", "Err:"))]
    return " ".join(errors[-2:]) or "apt said nothing."
