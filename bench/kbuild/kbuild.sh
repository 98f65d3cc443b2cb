#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make bench: what a kernel compile costs in the guest on each kernel.
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"
. "$top/bench/common/lib.sh"

here=$top/bench/kbuild
input=$build/bench/kbuild
prepared=$input/prepared.tar

# The compile's input is always Debian's 6.1, whatever the kernels are made of.
source_tar()
{
	source=$(KERNEL=stock LINUX_SRC='' "$top/scripts/source.sh")
	(
		cd "$source"
		find . -name 'Kconfig*' -o -name 'Makefile*' -o -name 'Kbuild*'
		find arch/arm64 arch/x86/entry/syscalls fs include init io_uring kernel lib mm scripts tools/include \
			-path '*/dts/*' -o -type f -print -o -type l -print
	) | sort -u > "$1/list"
	tar -C "$source" -cf "$1/source.tar" --no-recursion --owner=0 --group=0 -T "$1/list"
}

prepare()
{
	say "preparing the source tree in the guest"
	rm -rf "$input/new"
	mkdir "$input/new"
	source_tar "$input/new"
	cp "$here/prepare.sh" "$input/new"
	KERNEL=stock "$top/scripts/kernel.sh"
	# -R: an emulator translates a program again wherever else it lies
	KERNEL=stock ROOT=debian SMP=2 MEM=2G NUMA=1 MTE=0 ICOUNT=0 APPEND='' FILES=$input/new \
		CMD="setarch -R ./prepare.sh" TIMEOUT=1800 LOG=$build/results/kbuild-prepare.log \
		"$top/scripts/run.sh" > "$input/prepared.new"
	mv "$input/prepared.new" "$prepared"
	rm -r "$input/new"
}

mkdir -p "$input"
ROOT=debian "$top/scripts/root.sh"
disk=$(ROOT=debian "$top/scripts/root.sh" -i | tail -n 1)
if [ ! -f "$prepared" ] || [ "$(find "$disk" "$here/prepare.sh" "$0" -newer "$prepared")" ]; then
	prepare
fi

files=$input/files
rm -rf "$files"
mkdir "$files"
compile "$files/count" "$here/count.c"
cp "$here/job.sh" "$here/objects" "$files"
ln "$prepared" "$files"

{
	cat <<-END
	stock|stock|THP=always|
	stock|stock|THP=never|transparent_hugepage=never
	release|patched|THP=always|
	END
	[ "$PEERS" = 0 ] || cat <<-END
	tables|patched|FREE_USER_PTE=y|
	6.12|6.12|64K=always|thp_anon=64K:always
	64k|64K pages|THP=always|
	END
} | "$top/bench/common/runs.sh" kbuild "$files" ./job.sh
