#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest: mm with PMD size off, so that 2 MiB pages cannot hide the rest.
set -eu

thp=/sys/kernel/mm/transparent_hugepage
size=hugepages-2048kB/
[ -d "$thp/$size" ] || size=
echo never > "$thp/${size}enabled"
# for what is reclaimed
echo 256M > /sys/block/zram0/disksize
mkswap -q /dev/zram0
./mm
echo "{\"pmd_size_off\":\"${size}enabled=never\"}"
