#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Builds the kernel that ARCH and KERNEL name; -i only prints where its image is.
set -eu
. "$(dirname "$0")/kbuild.sh"

image=$kernel_dir/$image_file
if [ "${1:-}" = -i ]; then
	echo "$image"
	exit
fi

# shellcheck disable=SC2086 # a list
need $kbuild_packages
case $KERNEL in
stock | 6.12 | 64k) source=$("$top/scripts/source.sh") ;;
*)
	"$top/scripts/tree.sh"
	source=$tree
	;;
esac
mkdir -p "$kernel_dir"
exec 9> "$kernel_dir/.lock"
flock 9

say "$ARCH $KERNEL from $source"
kconfig "$source" "$kernel_dir" "$KERNEL"
lost=$(kconfig_lost "$kernel_dir" | tr '\n' ' ')
if [ "$lost" ] && [ "$KERNEL" = 6.12 ]; then
	say "6.12 does not have: $lost"
elif [ "$lost" ]; then
	rm "$kernel_dir/.config"
	die "KERNEL=$KERNEL: configs/ ask for what the final .config does not have: $lost"
fi
configured=$(date +%s)

log=$kernel_dir/build.log
failed=$kernel_dir/.failed
export CCACHE_STATSLOG="$kernel_dir/.ccache"
rm -f "$failed" "$CCACHE_STATSLOG"
{ kimage "$source" "$kernel_dir" "$KERNEL" 2>&1 9>&- || : > "$failed"; } |
	tee "$log" | awk 'NR % 200 == 0 { print NR " steps, now " $NF; fflush() }' |
	while read -r line; do say "$line"; done
if [ -f "$failed" ]; then
	grep -B 2 -A 4 'error:\|undefined reference\|\*\*\*' "$log" | head -40 >&2
	say "failed; all of it is in $log"
	exit 1
fi
grep -A 2 'warning:' "$log" >&2 || :

count() { grep -c "^$1\$" "$CCACHE_STATSLOG" || :; }
: >> "$CCACHE_STATSLOG"
say "$image ($(($(stat -c %s "$image") >> 10)) kB):" \
	"$((configured - start)) s source and config, $(($(date +%s) - configured)) s build," \
	"$(count cache_miss) objects compiled," \
	"$(count '\(direct\|preprocessed\)_cache_hit') from ccache"
