#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prints the directory of the pristine source that KERNEL is made from: Debian's
# linux-source package, unpacked once, or LINUX_SRC.
set -eu
. "$(dirname "$0")/lib.sh"

series=6.1
[ "$KERNEL" != 6.12 ] || series=6.12

if [ "$LINUX_SRC" ] && [ "$series" = 6.1 ]; then
	source=$LINUX_SRC
	[ ! -f "$source/.config" ] && [ ! -d "$source/include/config" ] ||
		die "LINUX_SRC=$source: was built in place; run 'make mrproper' there first"
else
	source=$build/src/$series
	mkdir -p "$build/src"
	exec 7> "$source.lock"
	flock 7
	if [ ! -d "$source" ]; then
		need linux-source-$series xz-utils
		say "unpacking linux-source-$series"
		rm -rf "$source.new"
		mkdir -p "$source.new"
		tar -xf "/usr/src/linux-source-$series.tar.xz" -C "$source.new" --strip-components=1
		mv "$source.new" "$source"
	fi
fi

version=$(version_of < "$source/Makefile")
case $version in
$series.*) ;;
*) die "$source: is Linux $version; only $series.y is supported" ;;
esac
echo "$source"
