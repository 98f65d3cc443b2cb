// SPDX-License-Identifier: GPL-2.0
/*
 * Large anonymous folios: taking the mappings down
 *
 * zap_pte_range() hands over when it meets a PTE of a large anonymous folio.
 * The entries of the folio that follow are cleared with it, and what is done
 * once a page elsewhere is done once here: RSS, rmap, reference, gather.
 */

#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/rmap.h>

#include <asm/tlb.h>

/* A special entry may hold the PFN of any page, and none of its references. */
static bool pte_maps_pfn(pte_t pte, unsigned long pfn)
{
	return pte_present(pte) && !pte_special(pte) && pte_pfn(pte) == pfn;
}

/**
 * zap_large_anon_ptes - unmap the pages of a large anonymous folio from a table
 * @tlb:	the gather, which learns the range
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
				 struct page *page, pte_t *pte,
				 unsigned long addr, unsigned long end)
{
	struct folio *folio = page_folio(page);
	unsigned long pfn = page_to_pfn(page);
	unsigned long left = folio_nr_pages(folio) - folio_page_idx(folio, page);
	unsigned int max = min(left, (end - addr) >> PAGE_SHIFT);
	unsigned int nr = 0;

	do {
		ptep_get_and_clear_full(tlb->mm, addr + nr * PAGE_SIZE,
					pte + nr, tlb->fullmm);
		nr++;
	} while (nr < max && pte_maps_pfn(pte[nr], pfn + nr));

	tlb_flush_pte_range(tlb, addr, nr * PAGE_SIZE);
	folio_remove_anon_rmap_range(folio, page, nr);
	folio_ref_sub(folio, nr - 1);

	return nr;
}
