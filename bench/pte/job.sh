#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest: pte, then mm, with PMD size off and pages or folios of SIZE only.
set -eu

thp=/sys/kernel/mm/transparent_hugepage
for enabled in "$thp"/hugepages-*kB/enabled; do
	[ ! -e "$enabled" ] || echo never > "$enabled"
done
case $(cat /proc/cmdline) in
*folios=64K*) echo always > "$thp/hugepages-64kB/enabled" ;;
esac
[ -d "$thp/hugepages-2048kB" ] || echo never > "$thp/enabled"
echo 256M > /sys/block/zram0/disksize
mkswap -q /dev/zram0
./mm
./pte
