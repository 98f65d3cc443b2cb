#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make bisect: after each patch builds the directories that it touches, without a
# warning; for a header mm/, where all of the series' headers are used, and the
# last patch has all directories of the series. What was built is not built again.
set -eu
. "$(dirname "$0")/kbuild.sh"
. "$(dirname "$0")/series-lib.sh"

own_kernels
# shellcheck disable=SC2086 # a list
need git $kbuild_packages
"$top/scripts/tree.sh"
work=$build/bisect/tree$suffix
out=$build/bisect/$ARCH$suffix
if ! git -C "$work" rev-parse -q --verify HEAD > /dev/null 2>&1; then
	rm -rf "$work"
	tgit worktree prune
	tgit worktree add -q --detach "$work" base
fi
mkdir -p "$out"
: >> "$out/done"

# directories BASE COMMIT: the directories to build
directories()
{
	tgit diff --name-only "$1" "$2" | touched_here |
		sed -En -e 's,^include/.*|^arch/[^/]*/include/.*|.*Kconfig.*,mm/,p' \
			-e 's,/([^/]*\.[cS]|Makefile)$,/,p' | sort -u
}

# a patch's headers are seen once: the cache would only be one more preprocessor
export CCACHE_DISABLE=1
last=$(tgit rev-parse refs/series/head)
configured=
built=0
for commit in $(tgit rev-list --reverse base..refs/series/head); do
	since=$commit^
	[ "$commit" != "$last" ] || since=base
	dirs=$(directories "$since" "$commit")
	[ "$dirs" ] || continue
	key=$({
		compiled_from "$commit" common "$ARCH" debug compile-x86_64
		echo "$dirs"
	} | sha1sum | cut -d ' ' -f 1)
	! grep -q "$key" "$out/done" || continue
	subject=$(tgit log -1 --format=%s "$commit")
	say "$ARCH: $subject"
	git -C "$work" checkout -q --detach "$commit"
	# the same answers to the same questions
	{ [ "$configured" ] && tgit diff --quiet "$configured" "$commit" -- '*Kconfig*'; } ||
		kconfig "$work" "$out" compile
	configured=$commit
	# shellcheck disable=SC2086 # a list
	kmake "$work" "$out" -s -j"$JOBS" $no_sanitizers $dirs > "$out/log" 2>&1 && ! grep -q 'warning:' "$out/log" || {
		cat "$out/log" >&2
		say "$ARCH: does not build cleanly after '$subject'"
		exit 1
	}
	echo "$key" >> "$out/done"
	built=$((built + 1))
done
say "$ARCH: every patch builds; $built built now"
