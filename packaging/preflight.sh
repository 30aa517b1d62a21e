#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Usage: packaging/preflight.sh build|kernel|kernels|system-libbpf...
#
# Checks what a make target needs. Root on Debian (or a system with apt-get like it) gets what is missing
# installed; anybody else gets one line that says what is missing and what to do.
set -eu

python=${PYTHON:-python3}
things=   # what is missing, for people
packages= # what to install

need() { # need THING PACKAGE COMMAND...: what is missing unless COMMAND succeeds
	thing=$1 package=$2
	shift 2
	"$@" >/dev/null 2>&1 && return
	things="${things:+$things, }$thing"
	packages="$packages $package"
}

header() {
	echo "#include <$1>" | cc -x c -fsyntax-only -
}

python_headers() {
	"$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

check_programs() {
	for purpose; do
		case $purpose in
		build)
			need "$python" python3 command -v "$python"
			need "the venv module of Python" python3-venv "$python" -c 'import ensurepip, venv'
			need Python.h python3-dev python_headers
			need "a C compiler" gcc command -v cc
			need "the C library's headers" libc6-dev header stdio.h
			need clang clang command -v clang
			need libelf.h libelf-dev header libelf.h
			need zlib.h zlib1g-dev header zlib.h
			need pkg-config pkg-config command -v pkg-config
			;;
		kernels)
			need qemu-system-x86_64 qemu-system-x86 command -v qemu-system-x86_64
			need "a static busybox" busybox-static test -x /bin/busybox -o -x /usr/bin/busybox
			;;
		system-libbpf)
			need libbpf libbpf-dev pkg-config --exists 'libbpf >= 1.1'
			;;
		kernel) ;;
		*)
			echo "preflight: $purpose is unknown" >&2
			exit 2
			;;
		esac
	done
}

install_packages() {
	export DEBIAN_FRONTEND=noninteractive
	echo "installing$packages"
	# Another apt may be at work: it is waited for.
	# shellcheck disable=SC2086
	set -- apt-get -qq -y -oDpkg::Use-Pty=0 -oDPkg::Lock::Timeout=300 install --no-install-recommends $packages
	"$@" </dev/null >/dev/null 2>&1 && return
	apt-get -qq update </dev/null && "$@" </dev/null >/dev/null
}

check_kernel() {
	if [ "$(id -u)" != 0 ]; then
		echo "no root: loading BPF programs needs it. Run make as root." >&2
		exit 1
	fi
	if [ ! -r /sys/kernel/btf/vmlinux ]; then
		echo "no BTF: /sys/kernel/btf/vmlinux is not there. Mount sysfs, or use a kernel built with CONFIG_DEBUG_INFO_BTF." >&2
		exit 1
	fi
}

case " $* " in
*" kernel "*) check_kernel ;;
esac

check_programs "$@"
if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	install_packages || true
	things= packages=
	check_programs "$@"
fi
if [ -n "$packages" ]; then
	echo "missing: $things. Run make as root on Debian, or install what Debian calls$packages" >&2
	exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
	echo "$python is older than 3.10. Name a newer one: make PYTHON=python3.12" >&2
	exit 1
fi
