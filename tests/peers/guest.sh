#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest: guest.sh SECONDS COMMAND... runs a program with swap and huge
# pages of every size at hand; its output, then a line "@exit STATUS".
seconds=$1
shift
sizes=/sys/kernel/mm/hugepages

echo 1G > /sys/block/zram0/disksize
./busybox mkswap /dev/zram0 > /dev/null
./busybox swapon /dev/zram0 || echo '@note no swap'
# 2M: somewhat more than the 256M that run_vmtests.sh asks for
largest=2
[ "$1" != ./thuge-gen ] || largest=7 # of each size: it keeps three pages
for size in 32768:$largest 2048:144 64:32; do
	pages=$sizes/hugepages-${size%:*}kB/nr_hugepages
	[ ! -f "$pages" ] || echo "${size#*:}" > "$pages"
done

# a file system on a disk, since some programs make files where they are
mkdir -p /root/run
cp -r ./* /root/run
cd /root/run || exit 126
mkdir huge
./busybox mount -t hugetlbfs none huge
if [ "$1" = ./thuge-gen ]; then
	# It ends at once where pages of a size are missing, and those of 1G need 7G of
	# memory: the sizes that it sees are the others.
	for size in 32768 2048 64; do
		mkdir -p sizes/hugepages-${size}kB
		./busybox mount -o bind $sizes/hugepages-${size}kB sizes/hugepages-${size}kB
	done
	./busybox mount -o rbind sizes $sizes
fi
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
