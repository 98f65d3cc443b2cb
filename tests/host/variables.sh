#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A make variable with a bad value: one line that names both, and nothing done.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset ARCH KERNEL LINUX_SRC JOBS TREE KERNEL_DIR MAKEFLAGS

cp -r "$here/Makefile" "$here/scripts" "$here/configs" "$here/bench" "$work"
mkdir "$work/tests"
cp -r "$here/tests/peers" "$work/tests"
mkdir "$work/linux-6.5"
printf 'VERSION = 6\nPATCHLEVEL = 5\nSUBLEVEL = 1\n' > "$work/linux-6.5/Makefile"
cd "$work"
find . | sort > "$work.before"
trap 'rm -rf "$work" "$work.before" "$work.out"' EXIT

tap=0
failed=0
# refused TEXT TARGET VARIABLE=VALUE...
refused()
{
	text=$1
	shift
	tap=$((tap + 1))
	result='not ok'
	if ! make -s "$@" > "$work.out" 2>&1 && grep -q ' Error 2$' "$work.out" &&
		[ "$(grep -c -v '^make' "$work.out")" -eq 1 ] && grep -qF -- "$text" "$work.out" &&
		find . | sort | cmp -s - "$work.before"; then
		result=ok
	else
		sed 's/^/# /' "$work.out"
		failed=1
	fi
	echo "$result $tap - make $*" | sed "s|$work/||"
}
refused 'ARCH=riscv: ' kernel ARCH=riscv
refused 'ARCH=arm64 x86_64: ' kernel ARCH='arm64 x86_64'
refused 'KERNEL=fast: ' kernel KERNEL=fast
refused 'KERNEL=64k: ' kernel KERNEL=64k ARCH=x86_64
refused 'JOBS=-1: ' kernel JOBS=-1
refused 'LINUX_SRC=/nonexistent: ' kernel LINUX_SRC=/nonexistent
refused "linux-6.5: is Linux 6.5.1; only 6.1.y is supported" kernel LINUX_SRC="$work/linux-6.5" KERNEL=stock
refused "linux-6.5: is Linux 6.5.1; only 6.1.y is supported" kernel LINUX_SRC="$work/linux-6.5"
refused 'JOBS=0: ' kernel JOBS=0
refused 'JOBS=99999999999999999999: ' kernel JOBS=99999999999999999999
refused 'MINUTES=0: ' stress MINUTES=0
refused 'MINUTES=010: ' stress MINUTES=010
refused 'MINUTES=99999999999999999999: ' stress MINUTES=99999999999999999999
refused 'KERNEL=debug: ' stress KERNEL=debug
refused 'KERNEL=64k: ' test KERNEL=64k
refused 'KERNEL=stock: ' bench-mm KERNEL=stock
refused 'PROGRAMS=*: ' test-peers PROGRAMS='*'
for target in check bisect test-mutants; do
	refused 'KERNEL=stock: ' "$target" KERNEL=stock
done
refused 'SMP=0: ' test SMP=0
refused 'MEM=much: ' stress MEM=much
refused 'ACCEL=xen: ' test-peers ACCEL=xen
refused 'NUMA=2: ' test-mutants NUMA=2 SMP=1
refused 'ICOUNT=2: ' bench ICOUNT=2
refused 'SMP=1 ' test SMP=1
refused 'MEM=256M: ' test MEM=256M
refused 'ICOUNT=1: ' test ICOUNT=1
refused 'MTE=1: ' test MTE=1
refused 'SMP=1 ' test-mutants SMP=1
refused 'MEM=512M: ' test-mutants MEM=512M
refused 'ROOT=foo: ' print-image ROOT=foo
mkdir "$work/a clone"
cp -r Makefile scripts "$work/a clone"
cd "$work/a clone"
find . | sort > "$work.before"
refused 'a clone: a path with blanks' tree
echo "1..$tap"
exit $failed
