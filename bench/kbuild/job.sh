#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the guest: compiles the objects twice and prints what it cost, one JSON
# object a line.  The first compile fills the page cache: only its anonymous
# memory counts, which does not depend on that.
set -eu

mkdir /src
tar -xf prepared.tar -C /src
sync
objects=$(cat objects)

# khugepaged begins a round with the job: where in its sleep it is would be noise.
wake_khugepaged()
{
	sleep_file=/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
	[ -f "$sleep_file" ] || return 0
	read -r milliseconds < "$sleep_file"
	echo "$milliseconds" > "$sleep_file"
}

compile()
{
	wake_khugepaged
	# shellcheck disable=SC2086 # one word an object
	./count "$1" make -s -C /src -j1 $objects
}

echo 'warm-up' >&2
compile anon
for object in $objects; do
	rm "/src/$object" "/src/${object%/*}/.${object##*/}.cmd"
done
sync
echo 'counting' >&2
compile instructions
