# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced after scripts/lib.sh by the benchmarks.

: "${PEERS:=0}"
one_of PEERS "0 1"
own_kernels
"$top/scripts/run.sh" -c
[ "$ARCH" = arm64 ] || die "ARCH=$ARCH: instructions are counted on arm64 only"

# Two of them would take each other's files.
mkdir -p "$build/results"
exec 8> "$build/results/bench.lock"
flock -n 8 || die "another benchmark is running"

# compile PROGRAM SOURCE: a static program for the guest
compile()
{
	need gcc-aarch64-linux-gnu libc6-dev-arm64-cross
	"${cross_compile}gcc" -O2 -Wall -static -o "$1" "$2" "$top/bench/common/bench.c"
}
