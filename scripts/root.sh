#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Builds the guest root that ROOT and ARCH name, unless it is there and newer
# than what it is made from. -i only prints its initramfs and (debian) its disk.
#
# Both boot from the same initramfs: our init and busybox. ROOT=debian adds an
# ext4 disk with a compiler. Packages are only extracted, so what maintainer
# scripts would do is done below.
set -eu
. "$(dirname "$0")/lib.sh"
. "$top/scripts/packages-lib.sh"

: "${ROOT:=test}"
one_of ROOT "test debian"

initramfs=$build/root/test-$ARCH.cpio.gz
disk=
[ "$ROOT" = test ] || disk=$build/root/debian-$ARCH.ext4
if [ "${1:-}" = -i ]; then
	printf '%s\n' "$initramfs" ${disk:+"$disk"}
	exit
fi

# Essential packages are not pulled in by others: they stand here by name.
compile_packages="base-files bash bc binutils bison bsdextrautils coreutils cpio dash debianutils diffutils \
	file findutils flex gcc grep gzip kmod libc-bin libc6-dev libelf-dev libssl-dev make mawk \
	ncurses-base perl procps sed tar util-linux xz-utils"

make_initramfs()
{
	# shellcheck disable=SC2086 # words
	need mmdebstrap cpio $compiler
	say "initramfs for $ARCH"
	extract "$tmp/packages" busybox-static
	mkdir -p "$tmp/root/bin" "$tmp/root/sbin" "$tmp/root/usr/bin" "$tmp/root/usr/sbin" \
		"$tmp/root/etc" "$tmp/root/files" "$tmp/root/root"
	cp "$tmp/packages/bin/busybox" "$tmp/root/bin/"
	ln -s busybox "$tmp/root/bin/sh"
	echo root:x:0:0:root:/root:/bin/sh > "$tmp/root/etc/passwd"
	"${cross_compile}gcc" -static -O2 -Wall -o "$tmp/root/init" "$top/tests/guest/init.c"
	(cd "$tmp/root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -9) > "$tmp/initramfs"
	truncate -s %4 "$tmp/initramfs" # run.sh appends to it
	mv "$tmp/initramfs" "$initramfs"
}

make_disk()
{
	need mmdebstrap e2fsprogs
	say "Debian disk for $ARCH"
	# shellcheck disable=SC2086 # words
	extract "$tmp/disk" $compile_packages
	rm -rf "$tmp/disk/dev" "$tmp/disk/usr/share/doc" "$tmp/disk/usr/share/man" "$tmp/disk/usr/share/locale"
	mkdir -p "$tmp/disk/dev"
	ln -sf mawk "$tmp/disk/bin/awk"
	ln -sf dash "$tmp/disk/bin/sh"
	ln -sf gcc "$tmp/disk/bin/cc"
	echo root:x:0:0:root:/root:/bin/bash > "$tmp/disk/etc/passwd"
	echo root:x:0: > "$tmp/disk/etc/group"
	# no journal and no lazy initialisation: no kernel thread at work during a measurement
	mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=0 -m 0 -d "$tmp/disk" "$tmp/image" 4G >&2
	mv "$tmp/image" "$disk"
}

mkdir -p "$build/root"
exec 9> "$build/root/lock"
flock 9
tmp=$build/root/new
rm -rf "$tmp"
mkdir "$tmp"

current "$initramfs" "$0" "$top/scripts/packages-lib.sh" "$top/tests/guest/init.c" || make_initramfs
[ -z "$disk" ] || current "$disk" "$0" "$top/scripts/packages-lib.sh" || make_disk
rm -rf "$tmp"
