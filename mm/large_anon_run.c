// SPDX-License-Identifier: GPL-2.0
/*
 * Large anonymous folios: which PTEs belong together
 */

#include <linux/large_anon_folio.h>
#include <linux/mm.h>

/**
 * large_anon_run - count the PTEs that map a page and those that follow it
 * @page:	the page mapped by @pte, of a large anonymous folio
 * @pte:	the first entry
 * @addr:	the user virtual address of @pte
 * @end:	the end of the range to look at, inside the table of @pte
 *
 * Context: PTL held.
 * Return: The number of entries from @pte on, at least 1, that map successive
 *	pages of the folio. They may differ in all else.
 */
unsigned int large_anon_run(struct page *page, const pte_t *pte,
			    unsigned long addr, unsigned long end)
{
	struct folio *folio = page_folio(page);
	unsigned long pfn = page_to_pfn(page);
	unsigned long left = folio_nr_pages(folio) - folio_page_idx(folio, page);
	unsigned int max = min(left, (end - addr) >> PAGE_SHIFT);
	unsigned int nr = 1;

	while (nr < max && pte_maps_pfn(pte[nr], pfn + nr))
		nr++;

	return nr;
}

/**
 * large_anon_mapped_whole - does a VMA map all of a large anonymous folio?
 * @folio:	a folio
 * @vma:	the VMA
 * @pte:	an entry for the folio
 * @addr:	the user virtual address of @pte
 *
 * Context: PTL held.
 * Return: true if all pages of the folio are there, in order and in the table
 *	of @pte; false for every other kind of folio.
 */
bool large_anon_mapped_whole(struct folio *folio, struct vm_area_struct *vma,
			     const pte_t *pte, unsigned long addr)
{
	unsigned long idx, end;

	if (!folio_test_large(folio) || !folio_test_anon(folio) ||
	    !pte_present(*pte))
		return false;

	idx = pte_pfn(*pte) - folio_pfn(folio);
	if (idx > min(pte_index(addr), (addr - vma->vm_start) >> PAGE_SHIFT))
		return false;

	pte -= idx;
	addr -= idx * PAGE_SIZE;
	end = pmd_addr_end(addr, vma->vm_end);

	return pte_maps_pfn(*pte, folio_pfn(folio)) &&
	       large_anon_run(&folio->page, pte, addr, end) ==
			folio_nr_pages(folio);
}
