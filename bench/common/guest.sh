#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# One run of a benchmark in the guest, as one JSON object on stdout.
#   guest.sh NAME FILES COMMAND 'KERNEL|name|config|boot arguments'
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"

name=$1
FILES=$2
CMD=$3
IFS='|' read -r KERNEL label config APPEND <<END
$4
END
LOG=$build/results/$name-$KERNEL-$config.log
IMAGE=$(KERNEL=$KERNEL "$top/scripts/kernel.sh" -i)
export KERNEL IMAGE APPEND FILES CMD LOG

say "$label $config"
lines=$(ARCH=arm64 ROOT=debian ICOUNT=1 SMP=1 MEM=2G NUMA=1 MTE=0 TIMEOUT=3000 "$top/scripts/run.sh") || {
	say "$label $config failed; kernel log in $LOG"
	exit 1
}
echo "$lines" | jq -c -s --arg kernel "$label" --arg config "$config" \
	'{kernel: $kernel, config: $config} + add'
say "$label $config done"
