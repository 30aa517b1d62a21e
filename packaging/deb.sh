#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Usage: packaging/deb.sh DIRECTORY
#
# Builds the Debian package from the sdist that DIRECTORY has, and leaves it there.
set -eu

cd "$1"
sdist=$(ls -- *.tar.gz)
source=${sdist%.tar.gz}
tar -xf "$sdist"
mv "$sdist" "${source%-*}_${source##*-}.orig.tar.gz"
cp -r "$source/packaging/debian" "$source/debian"
cd "$source"
dpkg-buildpackage --unsigned-source --unsigned-changes
