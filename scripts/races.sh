#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# races.sh SYSTEM_MAP: what scripts/races.awk has to know to tell which of KCSAN's
# reports, from the kernel of ARCH with this map, concern page tables. One a line:
#   own FUNCTION                of mm/pte_table*.c
#   walker FUNCTION             uses what include/linux/pte_table.h has
#   known FUNCTION ACCESS SIZE  scripts/races-known says why
# A function that is inline everywhere has no symbol, and those that call it stand
# for it. So do those that call one of which GCC has split a part off.
# races.sh -v: the variables of make with which KCSAN looks at the files of all these,
# and at no others: a watchpoint stops a CPU, and few of a whole kernel's were theirs.
set -eu
. "$(dirname "$0")/series-lib.sh"

uses='pte_(try_|table_|map_recheck|alloc_map)'
files=$(tgit grep -lE "\<$uses" -- fs kernel mm "arch/${ARCH%_64}" | grep '\.c$')
if [ "$1" = -v ]; then
	echo KCSAN_SANITIZE=n
	echo "$files" | sed 's|.*/\(.*\)\.c$|KCSAN_SANITIZE_\1.o=y|'
	exit
fi
map=$(realpath "$1")
cd "$tree"
# shellcheck disable=SC2016 # the $ are awk's
echo "$files" | xargs awk -v uses="^$uses" '
	FILENAME == ARGV[1] {
		if ($2 !~ /^[tT]$/)
			next
		in_part = $3 ~ /\.part\./
		sub(/\..*/, "", $3)
		symbol[$3]
		if (!in_part)
			whole[$3]
		next
	}

	FILENAME == ARGV[2] {
		if (!/^#/)
			known[$1, " " $2 " " $3]
		next
	}

	FNR == 1 || /^}/ { inside = "" }
	/^#define .*\(/ || /^[A-Za-z_].*\(/ && !/;$/ {
		inside = $0
		sub(/\(.*/, "", inside)
		sub(/.*[^A-Za-z_0-9]/, "", inside)
		if (FILENAME ~ /^mm\/pte_table/)
			own[inside]
	}
	inside != "" {
		rest = $0
		while (match(rest, /[A-Za-z_][A-Za-z_0-9]*\(/)) {
			name = substr(rest, RSTART, RLENGTH - 1)
			rest = substr(rest, RSTART + RLENGTH)
			callers[name] = callers[name] " " inside
			if (name ~ uses)
				users[inside]
		}
	}

	# "KIND NAME MORE", or that of each that stands for NAME
	function say(kind, name, more,    n, i, list)
	{
		if ((kind, name, more) in said)
			return
		said[kind, name, more]
		if (name in symbol)
			print kind " " name more
		if (name in whole)
			return
		n = split(callers[name], list, " ")
		for (i = 1; i <= n; i++)
			say(kind, list[i], more)
	}

	END {
		for (name in own)
			say("own", name, "")
		for (name in users)
			if (!(name in own))
				say("walker", name, "")
		for (pair in known) {
			split(pair, part, SUBSEP)
			say("known", part[1], part[2])
		}
	}' "$map" "$top/scripts/races-known"
