#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# That make check finds a PTE table which is mapped by what cannot fail: on a copy of
# those files of the tree that may do so, with what may not.
set -eu
. "$(dirname "$0")/../../scripts/lib.sh"
. "$(dirname "$0")/lib/is.sh"

need git
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null
copy=$work/tree
mkdir "$copy"
sed '/^#/d; s/ .*//' "$top/scripts/raw-walkers" | (cd "$tree" && xargs cp --parents -t "$copy")
git -C "$copy" init -q

# walkers NAME: what is found is what standard input says, whatever line it is in
walkers()
{
	git -C "$copy" add -A
	status=0
	TREE=$copy "$top/scripts/raw-walkers.sh" > "$work/found" 2>&1 || status=$?
	{ sed 's/:[0-9]*:/: /' "$work/found"; echo "status $status"; } > "$work/out"
	is "$1" "$work/out"
}

walkers 'the tree as it is' << END
status 0
END

mkdir -p "$copy/arch/arm/mm" "$copy/io_uring"
cat > "$copy/mm/walker.c" << END
/* not pte_offset_map(pmd, addr) */
/*
 * nor pte_offset_map_lock(mm, pmd, addr, &ptl)
 */
	pte = pte_try_map_lock(mm, pmd, addr, &ptl);
	pte = pte_alloc_map_lock(mm, pmd, addr, &ptl);
	pte = my_pte_offset_map(pmd, addr);
END
echo '	pte = pte_offset_map(pmd, addr);' | tee "$copy/arch/arm/mm/walker.c" > "$copy/mm/walker.txt"
walkers 'what may fail, comments, what is not compiled for arm64 or x86' << END
status 0
END

names='pte_offset_map pte_offset_map_lock pte_offset_kernel pte_lockptr pte_alloc_map
	pmd_page_vaddr pmd_page_paddr pte_offset_phys pte_offset_kimg pte_set_fixmap_offset
	get_user_mapping_size lookup_address_in_pgd lookup_address_in_pgd_attr'
for name in $names; do
	echo "	pte = $name(pmd, addr); /* right? */" >> "$copy/mm/walker.c"
	echo "mm/walker.c: $name(" >> "$work/names"
done
walkers 'each name' << END
> mm/walker.c 13
$(cat "$work/names")
status 1
END

echo '	return ptep_get(pte_offset_kernel(pmd, addr));' | tee "$copy/io_uring/walker.h" >> "$copy/mm/pagewalk.c"
rm "$copy/mm/walker.c" "$copy/mm/page_table_check.c"
walkers 'one more where there is one, one in a header, and one that has gone' << END
> io_uring/walker.h 1
< mm/page_table_check.c 1
< mm/pagewalk.c 1
> mm/pagewalk.c 2
io_uring/walker.h: pte_offset_kernel(
mm/pagewalk.c: pte_offset_map(
mm/pagewalk.c: pte_offset_kernel(
status 1
END

echo "1..$tests"
exit $failed
