#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make bench-mm: what the basic operations on anonymous memory cost.
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"
. "$top/bench/common/lib.sh"

files=$build/bench/mm
rm -rf "$files"
mkdir -p "$files"
compile "$files/mm" "$top/bench/mm/mm.c"
cp "$top/bench/mm/job.sh" "$files"

{
	cat <<-END
	stock|stock|default|
	off|patched|=n|
	release|patched|default|
	END
	[ "$PEERS" = 0 ] || cat <<-END
	6.12|6.12|default|
	6.12|6.12|64K=always|thp_anon=64K:always
	END
} | "$top/bench/common/runs.sh" mm "$files" ./job.sh
