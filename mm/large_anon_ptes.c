// SPDX-License-Identifier: GPL-2.0
/*
 * Large anonymous folios: what is done to a run of PTEs at once
 *
 * mm/large_anon_run.c says which entries of a table belong together. Here they are
 * unmapped, or made writable again after a fork.
 */

#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/rmap.h>

#include <asm/tlb.h>

/**
 * zap_large_anon_ptes - unmap the pages of a large anonymous folio from a table
 * @tlb:	the gather, which learns the range
 * @vma:	the VMA
 * @page:	the page mapped by @pte, of a large anonymous folio
 * @pte:	the first entry
 * @addr:	the user virtual address of @pte
 * @end:	the end of the range to zap, inside the table of @pte
 *
 * Clears @pte and the entries behind it that map the following pages of the
 * folio. All their references but one are dropped at once. The one left is for
 * the caller to give to the gather: it keeps the folio, and so every page of
 * it, until no TLB knows them any more.
 *
 * Context: PTL held.
 * Return: The number of entries cleared, at least 1; the caller subtracts them
 *	from the RSS.
 */
unsigned int zap_large_anon_ptes(struct mmu_gather *tlb,
				 struct vm_area_struct *vma,
				 struct page *page, pte_t *pte,
				 unsigned long addr, unsigned long end)
{
	struct folio *folio = page_folio(page);
	unsigned int i, nr = large_anon_run(page, pte, addr, end);

	for (i = 0; i < nr; i++)
		ptep_get_and_clear_full(tlb->mm, addr + i * PAGE_SIZE, pte + i,
					tlb->fullmm);

	tlb_flush_pte_range(tlb, addr, nr * PAGE_SIZE);
	folio_remove_anon_rmap_range(folio, page, nr, vma);
	folio_ref_sub(folio, nr - 1);

	return nr;
}

/**
 * large_anon_make_exclusive - claim a folio that nobody shares any longer
 * @vmf:	the fault on a write-protected page of the folio, vmf->page
 * @folio:	the large anonymous folio
 *
 * A write after fork() has to copy what others still map or hold. If all
 * references are those of PTEs around vmf->pte there are no others: each
 * mapping, pin and gather has a reference. Only migration and split take mappings
 * and their references away for a time, and these have the folio locked. The PTL
 * keeps our PTEs; new references come from GUP through these, and GUP that wants the
 * page to stay looks at PageAnonExclusive afterwards.
 *
 * folio->mapping stays: pages of the folio may have been moved to another VMA
 * of an earlier owner, where rmap has to find them by the old anon_vma.
 *
 * Context: PTL held.
 * Return: true if the pages mapped there are exclusive now.
 */
bool large_anon_make_exclusive(struct vm_fault *vmf, struct folio *folio)
{
	unsigned long below, left = large_anon_around(vmf, vmf->page, &below);
	pte_t *pte = vmf->pte - below;
	struct page *page = vmf->page - below;
	unsigned long i, mapped = 0;
	bool exclusive;

	if (folio_ref_count(folio) > left || folio_test_swapcache(folio))
		return false;
	if (!folio_trylock(folio))
		return false;

	for (i = 0; i < left; i++)
		mapped += pte_maps_pfn(pte[i], page_to_pfn(page + i));
	exclusive = folio_ref_count(folio) == mapped &&
		    !folio_test_swapcache(folio);
	for (i = 0; exclusive && i < left; i++)
		if (pte_maps_pfn(pte[i], page_to_pfn(page + i)))
			SetPageAnonExclusive(page + i);

	folio_unlock(folio);

	return exclusive;
}
