// SPDX-License-Identifier: GPL-2.0
/*
 * Large anonymous folios: locked memory
 *
 * PG_mlocked and the mlock_count are one per folio, and NR_MLOCK takes the
 * folio for locked with all its pages. So a large folio is marked only by a
 * VM_LOCKED VMA that maps it whole: all pages in order, in one PTE table. That
 * VMA counts once, however many PTEs it has.
 *
 *	mark	the fault; mlock() of what is mapped whole; the end of a
 *		migration or of a failed split, with the last PTE; reclaim,
 *		where it finds a mark missing
 *	unmark	munlock(), and every removal of PTEs from a VM_LOCKED VMA
 *
 * Any removal unmarks, be it of one page, since the folio is not mapped whole
 * afterwards. So the count cannot grow for a mapping that is gone; where
 * others have the folio locked too it may be too low for a while, which
 * reclaim mends.
 *
 * What is not mapped whole is split, if it can be: small pages are counted one
 * by one. A folio that cannot be split (pinned) stays evictable. It is not
 * swapped out all the same, as reclaim looks at VM_LOCKED, and its pages get
 * their marks when it is split later.
 */

#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pte_table.h>
#include <linux/rmap.h>

#include "internal.h"

/**
 * mlock_large_anon_ptes - mlock or munlock a large anonymous folio
 * @vma:	the VMA; VM_LOCKED says what to do
 * @page:	the page mapped by @pte, of the folio
 * @pte:	the first entry
 * @addr:	the user virtual address of @pte
 * @end:	the end of the range to change, inside the table of @pte
 * @split:	can the caller split the folio?
 *
 * Context: PTL held, mmap_lock held for writing.
 * Return: The number of entries that are dealt with, 0 if the folio has to be
 *	split first.
 */
unsigned int mlock_large_anon_ptes(struct vm_area_struct *vma,
				   struct page *page, const pte_t *pte,
				   unsigned long addr, unsigned long end,
				   bool split)
{
	struct folio *folio = page_folio(page);
	const bool lock = vma->vm_flags & VM_LOCKED;
	unsigned int nr = large_anon_run(page, pte, addr, end);
	const bool whole = nr == folio_nr_pages(folio);

	if (!lock && !folio_test_mlocked(folio))
		return nr;
	if (!whole && split)
		return 0;

	if (!lock)
		munlock_page(&folio->page);
	else if (whole)
		mlock_folio(folio);
	return nr;
}

/**
 * mlock_split_page - split a large folio that is not locked as a whole
 * @page:	a page of the folio; the caller's reference is one to this page
 *		afterwards, too
 *
 * Waits for the folio lock: who fails has a wrong count until reclaim passes.
 * With the reference nobody else can split it.
 *
 * Context: Sleeps. mmap_lock held for reading or writing.
 * Return: 0 if the page is a small folio now, else an error.
 */
int mlock_split_page(struct page *page)
{
	int err;

	lock_page(page);
	err = split_huge_page(page);
	unlock_page(page);

	return err;
}

/**
 * __mlock_split_at - mlock_split_at() in a VMA that is VM_LOCKED
 * @vma:	the VMA
 * @addr:	as for mlock_split_at()
 *
 * Context: Sleeps. mmap_lock held for reading or writing.
 */
void __mlock_split_at(struct vm_area_struct *vma, unsigned long addr)
{
	struct folio *folio = NULL;
	struct page *page;
	spinlock_t *ptl;	/* of the PTE table */
	pmd_t *pmd;
	pte_t *pte;

	if (!vma_is_anonymous(vma) || addr <= vma->vm_start || addr >= vma->vm_end)
		return;

	/* this takes the mark away: one cannot tell by it below */
	if (!IS_ALIGNED(addr, HPAGE_PMD_SIZE))
		split_huge_pmd_address(vma, addr, false, NULL);

	pmd = mm_find_pmd(vma->vm_mm, addr);
	pte = pmd ? pte_try_map_lock(vma->vm_mm, pmd, addr, &ptl) : NULL;
	if (!pte)
		return;

	page = pte_present(*pte) ? vm_normal_page(vma, addr, *pte) : NULL;
	if (page && page_is_large_anon(page) && PageTail(page)) {
		folio = page_folio(page);
		folio_get(folio);
	}
	pte_unmap_unlock(pte, ptl);
	if (!folio)
		return;

	mlock_split_page(&folio->page);
	folio_put(folio);
}
