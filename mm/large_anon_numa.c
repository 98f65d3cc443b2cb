// SPDX-License-Identifier: GPL-2.0
/*
 * Large anonymous folios: NUMA balancing
 *
 * The scan takes the access away from each page that is mapped once, unless its
 * folio is pinned. The first hint fault in a folio speaks for all of it: the
 * folio moves as a whole, or all its entries in the table become accessible.
 */

#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/rmap.h>

/**
 * large_anon_mapped_once - is each page of a folio mapped exactly once?
 * @folio:	a large anonymous folio, mapped by PTEs or by one PMD
 *
 * A folio of which a page is mapped twice has more than one owner, who may run
 * on different nodes. One of which a page is not mapped is to be split when
 * memory is short; it would be forgotten there if it migrated.
 *
 * Context: The caller has a reference. The answer may be old at once: who must
 *	not be wrong about the owners looks at the references, too.
 * Return: true if no page is shared and none is unmapped.
 */
bool large_anon_mapped_once(struct folio *folio)
{
	unsigned long i;

	if (folio_entire_mapcount(folio))
		return total_mapcount(&folio->page) == 1;

	for (i = 0; i < folio_nr_pages(folio); i++)
		if (atomic_read(&folio_page(folio, i)->_mapcount))
			return false;

	return true;
}

/**
 * large_anon_map_around - end the hint of the pages around a NUMA hint fault
 * @vmf:	the fault; its own PTE is left to the caller
 *
 * Makes those PTEs around vmf->pte accessible that map the pages of the same
 * folio, in order, in this VMA and table. What each of them was otherwise it
 * stays: nobody has accessed it now. No TLB knows an entry without access.
 *
 * Context: PTL held, *vmf->pte is a hint.
 * Return: The number of entries made accessible.
 */
unsigned int large_anon_map_around(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct page *page = vm_normal_page(vma, vmf->address, *vmf->pte);
	unsigned long below, left, addr, i;
	unsigned int nr = 0;
	pte_t *pte;

	if (!page || !page_is_large_anon(page))
		return 0;

	left = large_anon_around(vmf, page, &below);
	pte = vmf->pte - below;
	addr = vmf->address - below * PAGE_SIZE;
	page -= below;

	for (i = 0; i < left; i++, pte++, addr += PAGE_SIZE) {
		pte_t old, new;

		if (i == below || !pte_protnone(*pte) ||
		    !pte_maps_pfn(*pte, page_to_pfn(page + i)))
			continue;

		old = ptep_modify_prot_start(vma, addr, pte);
		new = pte_modify(old, vma->vm_page_prot);
		if (pte_savedwrite(old))
			new = pte_mkwrite(new);
		ptep_modify_prot_commit(vma, addr, pte, old, new);
		update_mmu_cache(vma, addr, pte);
		nr++;
	}

	return nr;
}
