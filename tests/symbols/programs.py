# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""C programs for the tests of processes and files: compiled in many ways, run, and asked for addresses."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Says where its functions are, and waits for the end of its input; between them it does what a line says.
SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) int exported_work(int a) { return a * 3 + 1; }
__attribute__((noinline)) static int hidden_work(int a) { return a * 5 + 1; }
int (*volatile hidden)(int) = hidden_work;

int main(void)
{
	char line[4096];

	printf("%p %p %p\\n", (void *)exported_work, (void *)hidden, (void *)main);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\\n")] = 0;
		void *library = dlopen(line, RTLD_NOW);
		printf("%p\\n", library ? dlsym(library, "in_library") : NULL);
		fflush(stdout);
	}
	return 0;
}
"""

LIBRARY = "int in_library(int a) { return a + 7; }\n"


def compile_c(path: Path, *options: str, source: str = SOURCE) -> Path:
    """The program or library at a path, compiled with these options."""
    text = path.with_name(f"{path.name}.c")
    text.write_text(source)
    command = ["cc", "-O1", "-Wl,--build-id=sha1", *options, "-o", str(path), str(text), "-ldl"]
    subprocess.run(command, check=True)
    return path


@dataclass
class Running:
    """A program of SOURCE that runs, and where its functions are."""

    process: subprocess.Popen[str]
    exported: int
    hidden: int
    main: int

    @property
    def pid(self) -> int:
        return self.process.pid

    def load(self, library: Path) -> int:
        """Makes it load a library; the address of the library's function."""
        return int(self.ask(str(library)), 16)

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def end(self) -> None:
        self.process.communicate()


@contextlib.contextmanager
def running(command: Sequence[str | os.PathLike[str]]) -> Iterator[Running]:
    """The program of SOURCE, running, until the block ends."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            addresses = [int(word, 16) for word in process.stdout.readline().split()]
            yield Running(process, *addresses)
        finally:
            process.kill()
