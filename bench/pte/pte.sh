#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# make bench-pte: which page tables stay behind, and what it costs to know.
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"
. "$top/bench/common/lib.sh"

files=$build/bench/pte
rm -rf "$files"
mkdir -p "$files"
compile "$files/mm" "$top/bench/mm/mm.c"
compile "$files/pte" "$top/bench/pte/pte.c"
cp "$top/bench/pte/job.sh" "$files"

"$top/bench/common/runs.sh" pte "$files" ./job.sh <<END
release|=n|4K|folios=4K
tables|=y|4K|folios=4K
release|=n|64K|folios=64K
tables|=y|64K|folios=64K
END
