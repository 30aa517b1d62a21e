# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Every task by name: `make help` lists them.

.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

# Set on the command line: PYTHON=python3.12, CLANG=clang-19, TESTS=tests/link, KERNEL=6.12, LIBBPF_TARBALL=path
PYTHON ?= python3
CLANG ?= clang
TESTS ?=
KERNEL ?=
export PYTHON LIBBPF_TARBALL

VENV := .venv
VENV_PYTHON := $(CURDIR)/$(VENV)/bin/python
PIP := $(VENV_PYTHON) -m pip --disable-pip-version-check
EXTENSION := pylibbpf/_libbpf.abi3.so
PREFLIGHT := packaging/preflight.sh

.PHONY: help
help:  ## list the tasks
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' Makefile | awk -F'|' '{ line = sprintf("  make %-18s", $$1); \
		count = split($$2, words, " "); \
		for (i = 1; i <= count; i++) { \
			if (length(line) + length(words[i]) > 78) { print line; line = sprintf("%25s", "") } \
			line = line " " words[i] } \
		print line }'

# libbpf's sources, verified

.PHONY: libbpf
libbpf:  ## fill libbpf/ with the vendored release: from the forge, the cache, Debian, or LIBBPF_TARBALL=path
	@$(PYTHON) packaging/libbpf.py

.PHONY: upgrade-libbpf
upgrade-libbpf:  ## vendor the newest libbpf, or RELEASE=1.8.0 (and LIBBPF_TARBALL=path): gitlink, ids, cdef; shows what is new
	@$(PYTHON) packaging/upgrade.py $(if $(RELEASE),--release $(RELEASE)) $(if $(LIBBPF_TARBALL),--tarball $(LIBBPF_TARBALL))

# The extension and the virtual environment

.PHONY: build preflight
build: preflight $(EXTENSION) objects  ## build the extension in .venv, and the BPF objects of tests and examples

preflight:
	@$(PREFLIGHT) build

$(VENV_PYTHON): | preflight
	$(PYTHON) -m venv $(VENV)

# What pyproject.toml asks for, and an editable install: `import pylibbpf` is this checkout.
$(VENV)/installed: pyproject.toml setup.py | preflight libbpf $(VENV_PYTHON)
	$(PIP) install --quiet --upgrade pip 'setuptools>=77' 'cffi>=1.17'
	$(PIP) install --quiet --no-build-isolation --editable '.[numpy,symbols,examples,test,lint,docs]'
	@touch $(EXTENSION) $@

EXTENSION_SOURCES := build_ffi.py $(wildcard cdef/*.c cdef/*.h libbpf/src/*.c libbpf/src/*.h libbpf/src/*.map)
$(EXTENSION): $(EXTENSION_SOURCES) | $(VENV)/installed
	@# The install may have built it just now.
	@[ -e $@ ] && [ -z "$$(find $^ -newer $@)" ] || { \
		echo $(VENV_PYTHON) build_ffi.py; $(VENV_PYTHON) build_ffi.py && touch $@; }

# BPF objects: compiled once, against this kernel's types, for every kernel that has BTF

BPF_SOURCES := $(wildcard $(addsuffix .bpf.c,tests/bpf/* examples/* examples/*/* benchmarks/* benchmarks/*/*))
BPF_OBJECTS := $(BPF_SOURCES:.c=.o)
BPF_ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/; s/ppc64.*/powerpc/; s/riscv64/riscv/; s/s390x/s390/')
# -mcpu=v3 is the instruction set of Linux 5.1: 32-bit registers and jumps. v4 needs 6.6.
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wno-missing-declarations \
	-D__TARGET_ARCH_$(BPF_ARCH) -Ibuild -Ibuild/include -idirafter /usr/include/$(shell cc -print-multiarch)

# A library with static probes, for the tests of USDT.
LIBRARIES := $(patsubst %.c,%,$(wildcard tests/bpf/*.lib.c))
# Programs that the examples look at.
PROGRAMS := $(patsubst %.c,%,$(wildcard examples/*.prog.c))

.PHONY: objects
objects: $(BPF_OBJECTS) $(LIBRARIES) $(PROGRAMS)

%.bpf.o: %.bpf.c build/vmlinux.h Makefile | build/include/bpf
	@mkdir -p build/depend
	@echo $(CLANG) $<
	@$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF build/depend/$(subst /,-,$@).d -c $< -o $@

%.lib: %.lib.c Makefile
	@echo cc $<
	@cc -O2 -shared -fPIC -nostdlib $< -o $@

%.prog: %.prog.c Makefile
	@echo cc $<
	@cc -O2 -Wall -fno-omit-frame-pointer $< -o $@

-include $(wildcard build/depend/*.d)

build/vmlinux.h: build/kernel-release | $(EXTENSION)
	$(VENV_PYTHON) -m pylibbpf btf dump > $@.new
	@mv $@.new $@

# Changes when another kernel was booted.
.PHONY: force
build/kernel-release: force
	@mkdir -p $(@D)
	@uname -r | cmp -s - $@ || { $(PREFLIGHT) kernel && uname -r > $@; }

# #include <bpf/bpf_helpers.h> finds the vendored headers.
build/include/bpf: | libbpf
	@mkdir -p $(@D)
	@ln -sfn ../../libbpf/src $@

# Tasks

PYTEST := -m pytest -m 'not package'

.PHONY: demo
demo: kernel build  ## run the main job on this machine's kernel: a CO-RE object, typed events, an iterator
	@$(VENV_PYTHON) examples/demo.py

.PHONY: kernel
kernel:
	@$(PREFLIGHT) kernel

.PHONY: test
test: kernel build  ## run the tests on this machine's kernel; TESTS=tests/link for a part
	@mkdir -p build/reports
	$(VENV_PYTHON) $(PYTEST) --report build/reports/host.jsonl $(TESTS)

.PHONY: test-kernels
test-kernels: build  ## run the tests in virtual machines, on Linux 5.10 to 7.x; KERNEL=6.12 for one
	@$(PREFLIGHT) kernels
	$(VENV_PYTHON) -m tests.kernels $(if $(KERNEL),--kernel $(KERNEL)) $(if $(TESTS),--tests $(TESTS))

.PHONY: support-table
support-table: build  ## write docs/support.rst, which kind attaches on which kernel, from what test-kernels reported
	$(VENV_PYTHON) -m tests.kernels.support

# A copy of the tree with an extension of its own: what runs there cannot import the ordinary one by mistake.
define copy_tree
	@rm -rf build/$(1) && mkdir -p build/$(1)
	@tar -c --exclude=__pycache__ --exclude='*.so' --exclude=libbpf/.git \
		pylibbpf tests examples benchmarks cdef libbpf docs packaging \
		$(wildcard *.py *.toml *.md *.in LICENSE* Makefile .gitmodules) | tar -x -C build/$(1)
	@mkdir -p build/$(1)/build && cp -r build/include build/vmlinux.h build/$(1)/build/
endef

.PHONY: test-system-libbpf
test-system-libbpf: kernel build  ## build against the installed libbpf (1.1 or newer), and run the tests on it
	@$(PREFLIGHT) system-libbpf
	$(call copy_tree,system-libbpf)
	cd build/system-libbpf && PYLIBBPF_SYSTEM_LIBBPF=1 $(VENV_PYTHON) build_ffi.py
	cd build/system-libbpf && PYTHONPATH=$(CURDIR)/build/system-libbpf \
		$(VENV_PYTHON) $(PYTEST) --ignore tests/packaging $(TESTS)

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
.PHONY: test-asan
test-asan: kernel build  ## run the tests on an extension under AddressSanitizer and UndefinedBehaviorSanitizer
	$(call copy_tree,asan)
	cd build/asan && CFLAGS='$(SANITIZE)' LDFLAGS='$(SANITIZE)' $(VENV_PYTHON) build_ffi.py
	cd build/asan && PYTHONPATH=$(CURDIR)/build/asan \
		LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
		$(VENV_PYTHON) $(PYTEST) -o faulthandler_timeout=1200 --ignore tests/packaging $(TESTS)

# Executions of each target; all of these, or FUZZ_TARGETS=btf for one.
FUZZ ?= 100000
FUZZ_TARGETS ?= object btf btf_ext elf codec peek ring
# libbpf reads files where they are mapped, on whatever bounds, and copies 0 bytes from NULL: see docs/hardening.rst.
FUZZ_SANITIZE := -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize=alignment,nonnull-attribute \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
.PHONY: fuzz
fuzz: kernel build  ## fuzz what reads files and memory of others with atheris: FUZZ=100000 executions of each target
	$(call copy_tree,fuzz)
	$(PIP) install --quiet --target build/fuzz/site atheris
	cd build/fuzz && CC='$(CLANG) $(FUZZ_SANITIZE)' LDSHARED='$(CLANG) -shared' $(VENV_PYTHON) build_ffi.py
	cd build/fuzz && for target in $(FUZZ_TARGETS); do \
		PYTHONPATH=$(CURDIR)/build/fuzz:$(CURDIR)/build/fuzz/site LD_PRELOAD=$(CURDIR)/build/fuzz/site/asan_with_fuzzer.so \
		ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
		$(VENV_PYTHON) -X faulthandler -m tests.fuzz $$target corpus/$$target \
			-artifact_prefix=$$target- -runs=$(FUZZ) || exit 1; done

.PHONY: test-leaks
test-leaks: kernel build  ## look for leaks of C memory with LeakSanitizer: over what the fuzzer found, and over the tests
	$(call copy_tree,leaks)
	cd build/leaks && CFLAGS='-g -fsanitize=address -fno-omit-frame-pointer' LDFLAGS=-fsanitize=address $(VENV_PYTHON) build_ffi.py
	cd build/leaks && for target in $(FUZZ_TARGETS); do \
		PYTHONPATH=$(CURDIR)/build/leaks PYTHONMALLOC=malloc LD_PRELOAD="$$(cc -print-file-name=libasan.so)" \
		ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:fast_unwind_on_malloc=0 \
		LSAN_OPTIONS=suppressions=tests/hardening/leaks.supp:print_suppressions=0 \
		$(VENV_PYTHON) -W ignore -m tests.fuzz.replay $$target || exit 1; done
	@# Each process of the tests writes what it lost to a file of its own; what others' programs lose is theirs. Left out
	@# are tests that end processes with everything open.
	cd build/leaks && PYTHONPATH=$(CURDIR)/build/leaks PYTHONMALLOC=malloc LD_PRELOAD="$$(cc -print-file-name=libasan.so)" \
		ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:exitcode=0:log_path=$(CURDIR)/build/leaks/lost \
		$(VENV_PYTHON) $(PYTEST) -o faulthandler_timeout=1200 --ignore tests/packaging --ignore tests/hardening/test_exit.py \
		--deselect tests/test_object.py::test_an_interpreter_that_exits_with_everything_open_says_nothing $(TESTS)
	@! grep -l -E ' (libbpf/src|cdef)/|_cffi_f_' build/leaks/lost.* || { echo 'lost memory of ours: see these files'; exit 1; }

# Random operations; 50,000 take most of an hour.
OPERATIONS ?= 50000
.PHONY: test-stateful
test-stateful: kernel build  ## random use of the whole library from four threads, for OPERATIONS=50000 operations
	STATEFUL_OPERATIONS=$(OPERATIONS) $(VENV_PYTHON) $(PYTEST) -o faulthandler_timeout=36000 tests/stateful

.PHONY: test-package
test-package: build $(VENV)/dist-tools  ## build wheel and sdist and install them every way that the manual promises
	@$(PREFLIGHT) system-libbpf
	$(VENV_PYTHON) -m pytest -m package -o faulthandler_timeout=1200 tests/packaging

.PHONY: bench
bench: kernel build  ## measure against C on the same libbpf
	$(VENV_PYTHON) -m benchmarks

.PHONY: performance-page
performance-page: kernel build  ## write docs/performance.md from what the benchmarks find
	$(VENV_PYTHON) -m benchmarks --page docs/performance.md

.PHONY: lint
lint: build  ## ruff, mypy --strict, the extension's stubs against the cdef, and the public surface
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy --strict
	$(VENV_PYTHON) cdef/stubs.py --check
	$(VENV_PYTHON) packaging/surface.py --check

.PHONY: surface
surface: build  ## record the public names and signatures, which lint compares, in packaging/surface.txt
	$(VENV_PYTHON) packaging/surface.py

.PHONY: docs
docs: build  ## build the manual and the API reference into build/docs
	$(VENV_PYTHON) -m sphinx --quiet --fail-on-warning --keep-going -b html docs build/docs

# The tools that look at what is published: tens of packages that nothing else needs.
$(VENV)/dist-tools: $(VENV)/installed
	$(PIP) install --quiet --group dist
	@touch $@

.PHONY: dist
dist: build $(VENV)/dist-tools  ## build the sdist and a manylinux wheel into dist/, and check both
	$(VENV_PYTHON) packaging/dist.py

.PHONY: deb
deb: build $(VENV)/dist-tools  ## build the Debian package, on the installed libbpf, into build/deb
	rm -rf build/deb
	$(VENV_PYTHON) packaging/dist.py --sdist --outdir build/deb
	packaging/deb.sh build/deb

.PHONY: test-wheel
test-wheel: kernel objects  ## install the wheel of dist/ in CPython 3.10 to 3.13 and test it; TESTS=tests for all
	@ls dist/*.whl >/dev/null 2>&1 || $(MAKE) dist
	$(PYTHON) packaging/try_wheel.py $(if $(TESTS),-- $(TESTS))

.PHONY: clean
clean:  ## remove all that was built; .venv and libbpf/ stay
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f pylibbpf/*.so $(BPF_OBJECTS) $(LIBRARIES) $(PROGRAMS)
	find pylibbpf tests examples benchmarks packaging docs cdef -name __pycache__ -prune -exec rm -rf {} +
