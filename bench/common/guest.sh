#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# One run of a benchmark in the guest; OUT becomes one JSON object, if it is not
# that of the same run already.
#   guest.sh NAME FILES COMMAND OUT 'KERNEL|name|config|boot arguments'
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"

name=$1
FILES=$2
CMD=$3
out=$4
IFS='|' read -r KERNEL label config APPEND <<END
$5
END
LOG=$build/results/$name-$KERNEL-$config.log
export KERNEL
IMAGE=$("$top/scripts/kernel.sh" -i)
export IMAGE APPEND FILES CMD LOG

key=$({
	echo "$@"
	cat "$IMAGE"
	find "$FILES" -type f | sort | xargs -d '\n' cat
} | sha1sum)
if [ "$(cat "$out.key" 2> /dev/null)" = "$key" ]; then
	say "$label $config was done before the interruption"
	exit
fi
say "$label $config"
{
	ROOT=debian ICOUNT=1 SMP=1 MEM=2G NUMA=1 MTE=0 ACCEL=tcg TIMEOUT=3000 \
		"$top/scripts/run.sh" 2>&1 > "$out.lines" || rm "$out.lines"
} | sed -u "s/^/$label $config: /" >&2
if [ ! -f "$out.lines" ]; then
	say "$label $config failed; its kernel log: $LOG"
	exit 1
fi
jq -s --arg kernel "$label" --arg config "$config" \
	'{kernel: $kernel, config: $config} + (reverse | add)' "$out.lines" > "$out"
echo "$key" > "$out.key"
say "$label $config done"
