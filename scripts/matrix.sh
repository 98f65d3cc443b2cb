#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Compiles what page tables are made of, without a warning, with these of
# configs/matrix/: arguments, or all.
set -eu
. "$(dirname "$0")/kbuild.sh"

# shellcheck disable=SC2086 # a list
need git $kbuild_packages
"$top/scripts/tree.sh"
failed=0
# shellcheck disable=SC2086 # a list
[ $# -gt 0 ] || set -- $matrix
for variant; do
	one_of variant "$matrix"
	say "$ARCH debug-$variant"
	out=$build/check/$ARCH-debug-$variant$suffix
	kconfig "$tree" "$out" "debug-$variant"
	lost=$(kconfig_lost "$out" | tr '\n' ' ')
	[ ! "$lost" ] || { echo "configs/matrix/$variant: not in the final .config: $lost"; failed=1; }
	# shellcheck disable=SC2086 # a list
	kmake "$tree" "$out" -s -k -j"$JOBS" $no_sanitizers mm/ fs/proc/ > "$out/log" 2>&1 || failed=1
	! grep -A 4 'warning:\|error:' "$out/log" || failed=1
done
exit $failed
