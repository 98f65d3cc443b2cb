#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Compiles what page tables are made of, without a warning, with these of
# configs/matrix/: arguments, or all.
set -eu
. "$(dirname "$0")/kbuild.sh"
. "$(dirname "$0")/series-lib.sh"

# shellcheck disable=SC2086 # a list
need git $kbuild_packages
"$top/scripts/tree.sh"

# compiles VARIANT: without a warning, and with the whole configuration
compiles()
{
	out=$build/check/$ARCH-debug-$1$suffix
	key=$({
		compiled_from HEAD common "$ARCH" debug "matrix/$1"
		cat "$0"
	} | sha1sum)
	! kept "$key" "$out/good" || return 0
	kconfig "$tree" "$out" "debug-$1"
	lost=$(kconfig_lost "$out" | tr '\n' ' ')
	[ ! "$lost" ] || { echo "configs/matrix/$1: not in the final .config: $lost"; return 1; }
	# shellcheck disable=SC2086 # a list
	kmake "$tree" "$out" -s -k -j"$JOBS" $no_sanitizers \
		mm/ fs/proc/ fs/userfaultfd.o kernel/events/ "arch/${ARCH%_64}/mm/" > "$out/log" 2>&1 &&
		! grep -q 'warning:' "$out/log" || { grep -A 4 'warning:\|error:' "$out/log"; return 1; }
	echo "$key" > "$out/good"
}

failed=0
# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- $matrix
for variant; do
	one_of variant "$matrix"
	say "$ARCH debug-$variant"
	compiles "$variant" || failed=1
done
exit $failed
