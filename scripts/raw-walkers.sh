#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Who maps the PTE table of a user does so by what may fail, but for the places that
# scripts/raw-walkers has, each with why. Shows where the tree (TREE) differs from that.
set -eu
. "$(dirname "$0")/lib.sh"

[ -e "$tree/.git" ] || die "$tree: no tree: run 'make tree' first"
found=$(mktemp)
trap 'rm -f "$found" "$found.diff"' EXIT

raw='pte_offset_map(_lock)?|pmd_pgtable|pte_offset_kernel|pte_lockptr|pte_alloc_map|pmd_page_vaddr'
# what only arm64 or x86 has
raw="$raw|pmd_page_paddr|pte_offset_(phys|kimg)|pte_set_fixmap_offset|get_user_mapping_size"
raw="$raw|lookup_address_in_pgd(_attr)?"
raw="\\<($raw)\\("
# A comment, or a line of it, is a match as a whole, and begins with no letter.
comment='^[[:space:]]*(/\*([^*]|\*+[^*/])*(\*+/)?|\*[[:space:]].*|\*$)'

# places: FILE:LINE:NAME( of all that are in the files on standard input
places()
{
	xargs -r git -C "$tree" grep -noE "$comment|$raw" -- | grep '^[^:]*:[0-9]*:[a-z]' || :
}

git -C "$tree" grep -lE "$raw" -- block crypto drivers fs include init io_uring ipc kernel lib mm \
	net security sound virt arch/arm64 arch/x86 | grep '\.[ch]$' | places |
	awk -F : '{ n[$1]++ } END { for (file in n) print file, n[file] }' | sort > "$found"
sed '/^#/d; s/\t.*//' "$top/scripts/raw-walkers" | diff - "$found" | grep '^[<>]' > "$found.diff" || exit 0
cat "$found.diff"
sed -n 's/^> \([^ ]*\) .*/\1/p' "$found.diff" | places
exit 1
