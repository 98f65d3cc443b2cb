#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest: compiles the objects and prints what it cost, one JSON object a
# line.  Before that one of them, the one that needs most memory: that fills the
# page cache with what is not in /src, and only its anonymous memory counts, which
# does not depend on that.
set -eu

mkdir /src
tar -xf prepared.tar -C /src
sync

# khugepaged begins a round with the job: where in its sleep it is would be noise.
wake_khugepaged()
{
	sleep_file=/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
	[ -f "$sleep_file" ] || return 0
	read -r milliseconds < "$sleep_file"
	echo "$milliseconds" > "$sleep_file"
}

# compile WHAT OBJECT...
compile()
{
	what=$1
	shift
	wake_khugepaged
	./count "$what" make -s -C /src -j1 "$@"
}

echo 'warm-up' >&2
compile anon kernel/sched/core.o
rm /src/kernel/sched/core.o /src/kernel/sched/.core.o.cmd
sync
echo 'counting' >&2
# shellcheck disable=SC2046 # one word an object
compile instructions $(cat objects)
