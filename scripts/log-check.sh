#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# log-check.sh LOG: fails, and shows the place, if a kernel log has a failure in it.
# RACES=LIST: a data race is one if it concerns page tables (scripts/races.sh).
set -eu
. "$(dirname "$0")/lib.sh"

log=$1
[ -r "$log" ] || die "$log: cannot be read"
patterns=$(sed '/^#/d' "$top/scripts/log-patterns")

ours() { cat; }
if [ "${RACES:-}" ]; then
	[ -s "$RACES" ] || die "RACES=$RACES: cannot be read, or is empty"
	ours() { awk -f "$top/scripts/races.awk" "$RACES" - || echo 'BUG: races.awk has failed'; }
fi

found=0
tr -d '\r\000' < "$log" | ours | grep -n -E -B 10 -A 30 -e "$patterns" >&2 || found=$?
[ "$found" -eq 1 ] || exit 1
