#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest: guest.sh SECONDS COMMAND... runs a program with swap and huge
# pages of every size at hand; its output, then a line "@exit STATUS".
seconds=$1
shift

echo 1G > /sys/block/zram0/disksize
./busybox mkswap /dev/zram0 > /dev/null
./busybox swapon /dev/zram0 || echo '@note no swap'
for size in 32768:2 2048:128 64:32; do
	pages=/sys/kernel/mm/hugepages/hugepages-${size%:*}kB/nr_hugepages
	[ ! -f "$pages" ] || echo "${size#*:}" > "$pages"
done

# a file system on a disk, since some programs make files where they are
mkdir -p /root/run
cp -r ./* /root/run
cd /root/run || exit 126
case $1 in
./stress-ng)
	shift
	timeout -k 5 "$seconds" lib/ld-linux-*.so.* --library-path lib ./stress-ng --verify --metrics-brief \
		--timeout 20 --temp-path /root/run "$@" 2>&1
	;;
*) timeout -k 5 "$seconds" "$@" 2>&1 ;;
esac < /dev/null
echo "
@exit $?"
