// SPDX-License-Identifier: GPL-2.0
/*
 * User PTE tables
 *
 * What include/linux/pte_table.h has no need to do inline.
 */

#include <linux/mm.h>
#include <linux/pte_table.h>

/**
 * pte_table_missing - report the entry of a table that is none, if it is bad
 * @pmd: an entry that was found not to be one of a page table
 *
 * Context: mmap_lock or an rmap lock held.
 */
void pte_table_missing(pmd_t *pmd)
{
	/* does so, and clears it, since nothing can be done about it */
	pmd_none_or_trans_huge_or_clear_bad(pmd);
}

#if defined(CONFIG_FREE_USER_PTE) && !defined(__CHECKER__)
/**
 * pte_alloc_map_lock - map a PTE and take its lock, with a new table if need be
 * @mm: the address space
 * @pmd: the entry for @addr
 * @addr: user virtual address
 * @ptlp: set to the lock, which is held
 *
 * A table that is empty may go away again before it is locked.
 *
 * Context: mmap_lock held, no PTL held. May sleep.
 * Return: The PTE, until pte_unmap_unlock(); or NULL if there is no memory for a
 *	table, or @pmd is a huge page.
 */
pte_t *pte_alloc_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			  spinlock_t **ptlp)
{
	pte_t *pte;

	do {
		if (pte_alloc(mm, pmd))
			return NULL;
		pte = pte_try_map_lock(mm, pmd, addr, ptlp);
	} while (!pte && pmd_none(READ_ONCE(*pmd)));

	return pte;
}

/**
 * pte_alloc_map_pinned - map a PTE of a table that stays, a new one if need be
 * @mm: the address space
 * @pmd: the entry for @addr
 * @addr: user virtual address
 *
 * For those who set entries without the PTL: see pte_table_pin().
 *
 * Context: mmap_lock held, no PTL held. May sleep.
 * Return: The PTE; or NULL, as of pte_alloc_map_lock().
 */
pte_t *pte_alloc_map_pinned(struct mm_struct *mm, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl;	/* of the table, for the pin */
	pte_t *pte = pte_alloc_map_lock(mm, pmd, addr, &ptl);

	if (pte) {
		pte_table_pin(pte);
		pte_unmap_unlock(pte, ptl);
	}
	return pte;
}
#endif

#ifdef CONFIG_DEBUG_FREE_USER_PTE
/**
 * pte_table_verify - compare the count of a table with its entries
 * @pte: any PTE of the table
 *
 * Warns if they differ, and pins the table: once is enough, and nobody may take it
 * for an empty one.
 *
 * Context: The PTL is held, and is about to be released.
 */
void pte_table_verify(pte_t *pte)
{
	pte_t *table = (pte_t *)((unsigned long)pte & PAGE_MASK);
	struct page *page = virt_to_page(pte);
	unsigned int i, nr = 0;

	if (page->pte_pinned)
		return;
	for (i = 0; i < PTRS_PER_PTE; i++)
		nr += !pte_none(READ_ONCE(table[i]));
	if (WARN(nr != page->pte_nr, "%u entries, but the count is %u\n",
		 nr, page->pte_nr))
		page->pte_pinned = true;
}
EXPORT_SYMBOL_GPL(pte_table_verify); /* pte_unmap_unlock() calls it */
#endif

#ifdef CONFIG_FREE_USER_PTE_KUNIT_TEST
#include "pte_table_test.c"
#endif
