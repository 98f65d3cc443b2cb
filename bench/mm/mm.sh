#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make bench-mm: what the basic operations on anonymous memory cost.
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"

: "${PEERS:=0}"
one_of PEERS "0 1"
[ "$ARCH" = arm64 ] || die "ARCH=$ARCH: instructions are counted on arm64 only"

files=$build/bench/mm
rm -rf "$files"
mkdir -p "$files" "$build/results"
need gcc-aarch64-linux-gnu libc6-dev-arm64-cross
"${cross_compile}gcc" -O2 -Wall -static -o "$files/mm" "$top/bench/mm/mm.c" "$top/bench/common/bench.c"
cp "$top/bench/mm/job.sh" "$files"

{
	cat <<-END
	stock|stock|default|
	off|patched|=n|
	release|patched|default|
	END
	[ "$PEERS" = 0 ] || cat <<-END
	6.12|6.12|default|
	6.12|6.12|64K=always|thp_anon=64K:always
	END
} | "$top/bench/common/runs.sh" mm "$files" ./job.sh
