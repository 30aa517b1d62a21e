# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A Debian suite that the machine is not set up for, from the mirror that it is set up for.

apt gets a private directory for its sources, lists and cache. The machine's own configuration is only
read: the entries that name its mirrors are kept word for word, signing keys and other options included,
with another suite in them.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

APT_SECONDS = 300

_ONE_LINE = re.compile(r"deb(?:-src)?\s+(?P<options>\[[^]]*\]\s+)?(?P<uri>[^\s[]+)\s+(?P<suite>\S+)\s+\w")
_DEB822_FIELD = re.compile(r"^([^\s:]+):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)


class AptError(Exception):
    """apt is missing, or cannot do what was asked of it; holds apt's own words."""


def one_line_entries(text: str, suite: str) -> list[str]:
    """The mirrors of a .list file, as deb-src entries for another suite."""
    entries = []
    for line in text.splitlines():
        entry = _ONE_LINE.match(line.strip())
        if entry and _is_archive([entry["suite"]]):
            entries.append(f"deb-src {entry['options'] or ''}{entry['uri']} {suite} main\n")
    return entries


def deb822_entries(text: str, suite: str) -> list[str]:
    """The mirrors of a .sources file, as deb-src entries for another suite."""
    entries = []
    # A comment line may stand anywhere, even inside a stanza.
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = {name.title(): value for name, value in _DEB822_FIELD.findall(stanza)}
        enabled = fields.get("Enabled", "yes").strip().lower() not in ("no", "false", "0")
        if enabled and "Uris" in fields and _is_archive(fields.get("Suites", "").split()):
            fields |= {"Types": "deb-src", "Suites": suite, "Components": "main"}
            entries.append("".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n")
    return entries


def _is_archive(suites: list[str]) -> bool:
    """Whether an entry may carry other suites: not the one of security updates, and no flat directory."""
    return not all(suite.endswith(("-security", "/updates", "/")) for suite in suites)


class Suite:
    """One suite's source packages. `directory` is apt's, and where downloads go; it is created."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        for part in ("sources", "lists/partial", "cache/archives/partial"):
            (directory / part).mkdir(parents=True)
        entries = self._machine_entries()
        if not entries:
            raise AptError("apt has no mirror configured")
        for number, (suffix, entry) in enumerate(entries):
            (directory / "sources" / f"{number}{suffix}").write_text(entry)
        # What the machine does after an update of its own lists is not wanted after one of ours. A mirror
        # that stands still will do, as this asks for one release: signatures are checked, their age is not.
        (directory / "apt.conf").write_text(f"""\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Check-Valid-Until "false";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "1";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{directory}/sources";
Dir::State::lists "{directory}/lists";
Dir::Cache "{directory}/cache";
""")

    def _machine_entries(self) -> list[tuple[str, str]]:
        """(suffix of the file, text) of each mirror that the machine names."""
        variables = ("LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d")
        output = self._run("apt-config", "shell", *variables, private=False)
        paths = dict(re.findall(r"(\w+)='([^']*)'", output))
        entries = []
        for file in (Path(paths["LIST"]), *sorted(Path(paths["PARTS"]).glob("*"))):
            parse = {".list": one_line_entries, ".sources": deb822_entries}.get(file.suffix)
            if parse and file.is_file():
                entries += [(file.suffix, entry) for entry in parse(file.read_text(), self.name)]
        return list(dict.fromkeys(entries))

    def _run(self, program: str, *arguments: str, private: bool = True) -> str:
        options = ["-c", f"{self._directory}/apt.conf"] if private else []
        try:
            result = subprocess.run(
                [program, *options, *arguments],
                cwd=self._directory,
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=APT_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise AptError(f"{program} is not installed") from None
        except subprocess.TimeoutExpired:
            raise AptError(f"{program} {arguments[0]} took longer than {APT_SECONDS} s") from None
        if result.returncode:
            errors = [line[3:] for line in result.stderr.splitlines() if line.startswith("E: ")]
            raise AptError(errors[0] if errors else f"{program} {arguments[0]} failed")
        return result.stdout

    def source_tarball(self, package: str, release: str) -> Path:
        """Downloads the upstream tarball of that release of a source package."""
        reason = f"no {package} {release}"
        try:
            self._run("apt-get", "update")
        except AptError as error:
            # Not every mirror that the machine names carries this suite; one is enough.
            reason = str(error)
        try:
            found = self._run("apt-cache", "showsrc", "--only-source", package)
        except AptError:
            raise AptError(reason) from None
        # apt-get source takes no pattern for a version, so the revision is looked up.
        versions = re.findall(r"^Version: (\S+)$", found, re.MULTILINE)
        matching = [version for version in versions if re.match(rf"(\d+:)?{re.escape(release)}-", version)]
        if not matching:
            raise AptError(f"no {package} {release}" + (f", but {', '.join(versions)}" if versions else ""))
        self._run("apt-get", "source", "--download-only", "--only-source", f"{package}={matching[-1]}")
        tarballs = self._directory.glob(f"{package}_{release}.orig.tar.*")
        return next(tarball for tarball in tarballs if tarball.suffix != ".asc")
