# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The time that all dates in a distribution are set to, and an sdist that depends on nothing else."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
from pathlib import Path


def source_date_epoch(checkout: Path) -> int:
    """Seconds since 1970: what SOURCE_DATE_EPOCH says, or else the time of the last commit.

    An sdist that was unpacked has no commits: its PKG-INFO has the time that the sdist was made with.

    Raises:
        LookupError: None of the three is there.
    """
    named = os.environ.get("SOURCE_DATE_EPOCH")
    if named:
        return int(named)
    if (checkout / ".git").exists():
        command = ["git", "-C", str(checkout), "log", "-1", "--format=%ct"]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if (checkout / "PKG-INFO").exists():
        return int((checkout / "PKG-INFO").stat().st_mtime)
    raise LookupError("neither a git checkout nor an sdist: set SOURCE_DATE_EPOCH to a time in seconds")


def rewrite_sdist(sdist: Path, epoch: int) -> None:
    """Takes out of an sdist what differs from one build to the next: times, owners, order, the umask.

    setuptools honours SOURCE_DATE_EPOCH in wheels and not in sdists.
    """
    rewritten = sdist.with_suffix(".new")
    with (
        tarfile.open(sdist) as old,
        rewritten.open("wb") as file,
        # No file name in the header of the compressed file.
        gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.linkname, plain.size = member.type, member.linkname, member.size
            plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            plain.mtime = epoch
            new.addfile(plain, old.extractfile(member) if member.isreg() else None)
    shutil.move(rewritten, sdist)
