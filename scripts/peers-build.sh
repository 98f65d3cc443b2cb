#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Builds the programs that `make test-peers` runs, one folder a suite, in
# build/peers/ARCH: the kernels' own selftests as they are in Debian's sources,
# static, and stress-ng from its Debian package with the libraries that it wants.
set -eu
. "$(dirname "$0")/lib.sh"
. "$top/scripts/packages-lib.sh"

work=$build/peers/$ARCH
list=$top/tests/peers/programs
mkdir -p "$work"
exec 9> "$work/.lock"
flock 9

# programs SUITE: what commands for this architecture (arm64 if they name none)
# start from it, without its scripts
programs()
{
	awk -v suite="$1" -v arch="$ARCH" '
		$2 != suite || arch != ($4 ~ /ARCH=x86_64/ ? "x86_64" : "arm64") { next }
		{
			for (i = 5; i <= NF; i++)
				if (match($i, /\.\/[0-9A-Za-z_-]+/) && $i !~ /\.sh/)
					print substr($i, RSTART + 2, RLENGTH - 2)
		}' "$list" | sort -u
}

packages()
{
	packages=$work/packages
	current "$packages/.done" "$0" && return
	# shellcheck disable=SC2086 # words
	need mmdebstrap make gcc libc6-dev $compiler
	say "packages for $ARCH"
	rm -rf "$packages"
	extract "$packages" busybox-static liburing-dev libnuma-dev libcap-dev stress-ng
	# without the C library's, which are the compiler's own
	mkdir "$packages/include" "$packages/libs"
	(cd "$packages/usr/include" && cp -r liburing* numa* "$packages/include")
	mkdir "$packages/include/sys"
	cp "$packages"/usr/include/sys/capability.h "$packages/include/sys"
	for library in uring numa cap; do
		cp "$packages"/usr/lib/*-linux-gnu/lib$library.a "$packages/libs"
	done
	: > "$packages/.done"
}

# suite NAME SERIES FOLDER [MAKE-ARGUMENT...]: the programs of selftests/FOLDER
suite()
{
	name=$1
	folder=$3
	list_programs=$(programs "$name")
	[ "$list_programs" ] || return 0
	source=$(KERNEL=$([ "$2" = 6.1 ] && echo stock || echo "$2") LINUX_SRC='' "$top/scripts/source.sh" 9>&-)
	headers=$work/headers-$2
	farm=$work/source-$2
	out=$work/$name
	shift 3
	if current "$out/.done" "$0" "$packages/.done" "$source/Makefile" && [ "$(cat "$out/.done")" = "$list_programs" ]; then
		return
	fi

	say "selftests/$folder of ${headers##*-}"
	if [ ! -f "$headers/usr/include/linux/version.h" ]; then
		make -s -C "$source" O="$headers" ARCH="$ARCH" headers > /dev/null 9>&-
	fi
	# some of their makefiles write beside the source
	rm -rf "$farm" "$out"
	mkdir -p "$farm/tools/testing" "$out"
	cp -rs "$source/tools/testing/selftests" "$farm/tools/testing"
	ln -s "$source/tools/include" "$source/tools/arch" "$farm/tools"
	ln -s "$source/arch" "$source/include" "$source/lib" "$source/mm" "$source/scripts" "$farm"
	targets=
	for program in $list_programs; do
		targets="$targets $out/$program"
	done
	find "$source/tools/testing/selftests/$folder" -maxdepth 1 -name '*.sh' -exec cp {} "$out" \;
	# shellcheck disable=SC2086 # a list
	if ! make -k -j"$JOBS" -C "$farm/tools/testing/selftests/$folder" ARCH="$ARCH" CROSS_COMPILE="$cross_compile" \
		OUTPUT="$out" top_srcdir="$farm" KHDR_INCLUDES="-isystem $headers/usr/include" \
		"$@" $targets > "$work/$name.log" 2>&1 9>&-; then
		grep 'error:\|undefined\|\*\*\*' "$work/$name.log" >&2 || :
		die "selftests/$folder cannot be built; all of it: $work/$name.log"
	fi
	find "$out" -type f -perm -u+x ! -name '*.sh' -exec "${cross_compile}strip" {} +
	echo "$list_programs" > "$out/.done"
}

# the libraries that a program and its libraries want, into its folder
libraries()
{
	"${cross_compile}readelf" -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r library; do
		[ ! -e "$2/$library" ] || continue
		cp -L "$(find "$packages/usr/lib" -name "$library" | head -n 1)" "$2/$library"
		libraries "$2/$library" "$2"
	done
}

stress_ng()
{
	out=$work/stress-ng
	[ "$(programs stress-ng)" ] || return 0
	current "$out/.done" "$0" "$packages/.done" && return
	say stress-ng
	rm -rf "$out"
	mkdir -p "$out/lib"
	cp "$packages/usr/bin/stress-ng" "$out"
	libraries "$out/stress-ng" "$out/lib"
	: > "$out/.done"
}

packages
export C_INCLUDE_PATH="$packages/include"
static="-static -L$packages/libs"
# khugepaged.c takes this from a header that it does not include
suite mm 6.12 mm EXTRA_CFLAGS="$static -DKSFT_SKIP=4"
suite vm 6.1 vm EXTRA_CFLAGS="$static" MACHINE="$ARCH"
suite damon 6.1 damon
suite mte 6.1 arm64/mte LDFLAGS="-static -pthread" \
	CFLAGS="-std=gnu99 -I. -pthread -O2 -I$work/source-6.1/tools/testing/selftests -isystem $work/headers-6.1/usr/include -static"
stress_ng
for suite in mm vm damon mte stress-ng; do
	[ -d "$work/$suite" ] || continue
	cp "$packages/bin/busybox" "$top/tests/peers/guest.sh" "$work/$suite"
	(cd "$work/$suite" && find . -type f ! -name '.*' | sort | xargs sha1sum > .key)
done
