#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Compiles what the series touches with each of configs/matrix/, without a warning:
# mm/ as a whole, and elsewhere the files that KERNEL=debug has (warnings.sh).
set -eu
. "$(dirname "$0")/kbuild.sh"
. "$(dirname "$0")/series-lib.sh"

"$top/scripts/tree.sh"
objects=$(tgit diff --name-only --diff-filter=d base -- '*.c' ':!mm' | touched_here | sed 's/c$/o/' |
	while read -r object; do
		[ ! -f "$build/check/$ARCH-debug$suffix/$object" ] || echo "$object"
	done)
failed=0
for variant in $matrix; do
	say "$ARCH debug-$variant"
	out=$build/check/$ARCH-debug-$variant$suffix
	kconfig "$tree" "$out" "debug-$variant"
	lost=$(kconfig_lost "$out" | tr '\n' ' ')
	# shellcheck disable=SC2086 # a list
	kmake "$tree" "$out" -s -k -j"$JOBS" mm/ $objects > "$out/log" 2>&1 || failed=1
	grep -A 4 'warning:\|error:' "$out/log" && failed=1
	[ ! "$lost" ] || { echo "configs/matrix/$variant: not in the final .config: $lost"; failed=1; }
done
exit $failed
