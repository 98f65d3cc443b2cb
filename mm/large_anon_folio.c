// SPDX-License-Identifier: GPL-2.0
/*
 * Large anonymous folios: the write fault
 *
 * do_anonymous_page() asks do_large_anon_page() first. It picks the order,
 * allocates and charges the folio, and maps it with one PTE per page:
 *
 *	pick an order	lockless; under mmap_lock the VMA is stable, but PTEs
 *			may be filled by others, and an empty table go away
 *	allocate	never blocks for the sake of size
 *	recheck		under the PTL: all PTEs still none?
 *	map		references, RSS, rmap, LRU, PTEs; all under the PTL
 *
 * Whatever fails leads to a smaller order, in the end to the order-0 path.
 */

#include <linux/highmem.h>
#include <linux/large_anon_folio.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/oom.h>
#include <linux/pte_table.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>

#include "internal.h"

/*
 * The stretch [lo, hi) of a PTE table that a folio for entry @idx may cover:
 * inside the VMA, and free of the set entries that have been seen so far.
 */
struct pte_window {
	unsigned int idx;
	unsigned int lo;
	unsigned int hi;
};

/*
 * The highest of @orders whose naturally aligned block around w->idx lies in
 * the window, 0 if there is none. Aligned table entries are aligned addresses,
 * since a table maps an aligned range.
 */
static unsigned int window_order(const struct pte_window *w,
				 unsigned long orders)
{
	while (orders) {
		unsigned int order = __fls(orders);
		unsigned int start = round_down(w->idx, 1U << order);

		if (start >= w->lo && start + (1U << order) <= w->hi)
			return order;
		orders &= ~BIT(order);
	}
	return 0;
}

/* Down from @from: the lowest index from which on all entries are none. */
static unsigned int none_below(const pte_t *table, unsigned int from,
			       unsigned int end)
{
	const pte_t *pte = table + from;

	while (pte > table + end && pte_none(READ_ONCE(pte[-1])))
		pte--;
	return pte - table;
}

/* Up from @from: the index of the first entry that is set, or @end. */
static unsigned int none_above(const pte_t *table, unsigned int from,
			       unsigned int end)
{
	const pte_t *pte = table + from;

	while (pte < table + end && pte_none(READ_ONCE(*pte)))
		pte++;
	return pte - table;
}

/*
 * Narrow the window to the nearest set entry below and above w->idx, and
 * return the highest of @orders that fits. Entry w->idx itself is the caller's
 * business. No entry is read twice, and none that cannot matter: what lies
 * below may shrink the order before anything above is looked at.
 */
static unsigned int scan_window(const pte_t *table, struct pte_window *w,
				unsigned long orders)
{
	unsigned int order, start, end, i;

	order = window_order(w, orders);
	if (!order)
		return 0;

	start = round_down(w->idx, 1U << order);
	i = none_below(table, w->idx, start);
	if (i > start) {
		w->lo = i;
		order = window_order(w, orders);
		if (!order)
			return 0;
		start = round_down(w->idx, 1U << order);
	}

	end = start + (1U << order);
	i = none_above(table, w->idx + 1, end);
	if (i < end) {
		w->hi = i;
		order = window_order(w, orders);
	}
	return order;
}

/* Those of the policy's orders that a fault below the PMD size can have. */
static unsigned long fault_orders(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_NOHUGEPAGE)
		return 0;

	return anon_orders_enabled(vma->vm_flags) & ~BIT(HPAGE_PMD_ORDER);
}

/* The rest of what a VMA has a say in: asked only if an order fits. */
static bool vma_takes_folios(struct vm_area_struct *vma)
{
	/*
	 * Filling neighbours would swallow their userfaults. The flags are
	 * stable: registering takes mmap_lock for writing.
	 */
	if (userfaultfd_armed(vma))
		return false;

	/* prctl, special VMAs, no hardware support. */
	return hugepage_vma_check(vma, vma->vm_flags, false, true, false);
}

/*
 * In order, and with few checks for a reschedule: clear_huge_page() ends at the
 * page of the fault and checks at every page, which is meant for a cache full
 * of pages and shows in the time for sixteen.
 *
 * With PROT_MTE pages and tags are cleared in one go, as for a single page;
 * otherwise set_ptes() would have to find and clear the tags.
 */
static void zero_folio(struct folio *folio, struct vm_area_struct *vma,
		       unsigned long addr)
{
	struct page *page = &folio->page;
	struct page *end = page + folio_nr_pages(folio);

	if (vma->vm_flags & VM_MTE) {
		for (; page < end; page++) {
			tag_clear_highpage(page);
			cond_resched();
		}
		return;
	}

	while (page < end) {
		struct page *stop = min(end, page + 32);

		for (; page < stop; page++, addr += PAGE_SIZE)
			clear_user_highpage(page, addr);
		cond_resched();
	}
}

/*
 * Allocate, charge and zero a folio of @order for the aligned block around
 * vmf->address. Reclaim or compaction for the sake of size would cost more
 * than the size is worth, and orders up to PAGE_ALLOC_COSTLY_ORDER could
 * even end in an OOM kill; so only a wakeup of kswapd is left of the defrag
 * policy, in the allocator and in the memcg.
 */
static struct folio *alloc_large_anon_folio(struct vm_fault *vmf,
					    unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);
	gfp_t gfp = vma_thp_gfp_mask(vma);
	struct folio *folio;

	gfp &= ~__GFP_DIRECT_RECLAIM;
	gfp |= __GFP_NORETRY | __GFP_NOWARN;

	/* From the local node or not at all: small pages are better than remote. */
	folio = vma_alloc_folio(gfp, order, vma, addr, true);
	if (!folio)
		goto fallback;

	if (mem_cgroup_charge(folio, vma->vm_mm, gfp)) {
		folio_put(folio);
		count_large_anon_stat(order, ANON_FAULT_FALLBACK_CHARGE);
		goto fallback;
	}
	cgroup_throttle_swaprate(&folio->page, gfp);

	/* Charged first: at the limit of a memcg no zeroing goes to waste. */
	if (!want_init_on_alloc(gfp) && !want_init_on_free())
		zero_folio(folio, vma, addr);

	/* Orders the zeroes before the PTEs, for all pages at once. */
	__folio_mark_uptodate(folio);
	return folio;

fallback:
	count_large_anon_stat(order, ANON_FAULT_FALLBACK);
	return NULL;
}

/*
 * Map @folio if all its PTEs are still none, or put it.
 *
 * Return: 0 when the fault is done, or to be taken again since the table has gone;
 * VM_FAULT_FALLBACK when a neighbour got in first (the window knows where), or the
 * error of a dying address space.
 */
static vm_fault_t map_large_anon_folio(struct vm_fault *vmf,
				       struct folio *folio,
				       struct pte_window *w)
{
	struct vm_area_struct *vma = vmf->vma;
	struct mm_struct *mm = vma->vm_mm;
	unsigned int order = folio_order(folio);
	unsigned int nr = 1U << order;
	unsigned long addr = ALIGN_DOWN(vmf->address, PAGE_SIZE << order);
	unsigned int start = round_down(w->idx, nr), set;
	vm_fault_t ret = 0;
	pte_t entry, *table, *first;

	entry = mk_pte(&folio->page, vma->vm_page_prot);
	entry = pte_sw_mkyoung(entry);
	if (vma->vm_flags & VM_WRITE)
		entry = pte_mkwrite(pte_mkdirty(entry));

	vmf->pte = pte_try_relock(mm, vmf->pmd, vmf->address, &vmf->ptl);
	if (unlikely(!vmf->pte)) {
		folio_put(folio);
		return 0;
	}
	table = vmf->pte - w->idx;
	first = table + start;

	set = none_above(table, start, start + nr);
	if (set < start + nr) {
		if (set == w->idx) {
			update_mmu_tlb(vma, vmf->address, vmf->pte);
			goto release;
		}
		if (set < w->idx)
			w->lo = none_below(table, w->idx, set + 1);
		else
			w->hi = set;
		ret = VM_FAULT_FALLBACK;
		goto release;
	}
	ret = check_stable_address_space(mm);
	if (ret)
		goto release;

	/*
	 * All references before the LRU sees the folio: it passes the per-cpu
	 * batches at once, and reclaim compares references with mappings.
	 * The rmap before the PTEs: page_table_check looks at PageAnon.
	 */
	folio_ref_add(folio, nr - 1);
	add_mm_counter(mm, MM_ANONPAGES, nr);
	folio_add_new_anon_rmap_range(folio, &folio->page, nr, vma, addr);
	folio_add_lru_vma(folio, vma);
	set_ptes(mm, addr, first, entry, nr);
	pte_table_add(mm, first, nr);
	update_mmu_cache_range(vma, addr, first, nr);
	pte_unmap_unlock(vmf->pte, vmf->ptl);

	count_large_anon_stat(order, ANON_FAULT_ALLOC);
	return 0;

release:
	pte_unmap_unlock(vmf->pte, vmf->ptl);
	folio_put(folio);
	return ret;
}

/**
 * do_large_anon_page - serve an anonymous write fault with a large folio
 * @vmf: the fault; vmf->pmd points to a PTE table, in which the entry of
 *	vmf->address was none; vma->anon_vma is prepared
 *
 * Every round of the loop is for a smaller order than the one before, so
 * threads that race for one range cannot keep each other from getting on.
 *
 * Context: mmap_lock held (for reading), no PTL held. May sleep to zero.
 * Return: 0 when the fault is done, or to be taken again since the table has
 *	gone; VM_FAULT_FALLBACK when order 0 has to serve it (nothing is left
 *	behind), or another vm_fault_t error.
 */
vm_fault_t do_large_anon_page(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long orders = fault_orders(vma);
	unsigned long table_addr = vmf->address & PMD_MASK;
	struct pte_window w;
	unsigned int order;
	pte_t *table;

	if (!orders)
		return VM_FAULT_FALLBACK;

	w.idx = pte_index(vmf->address);
	w.lo = 0;
	if (vma->vm_start > table_addr)
		w.lo = pte_index(vma->vm_start);
	w.hi = PTRS_PER_PTE;
	if (vma->vm_end - table_addr < PMD_SIZE)
		w.hi = pte_index(vma->vm_end);

	table = pte_try_remap(vmf->pmd, table_addr);
	if (unlikely(!table))
		return VM_FAULT_FALLBACK;
	order = scan_window(table, &w, orders);
	pte_try_unmap(table);
	if (!order || !vma_takes_folios(vma))
		return VM_FAULT_FALLBACK;

	do {
		struct folio *folio = alloc_large_anon_folio(vmf, order);

		if (folio) {
			vm_fault_t ret = map_large_anon_folio(vmf, folio, &w);

			if (ret != VM_FAULT_FALLBACK)
				return ret;
		}
		orders &= BIT(order) - 1;
		order = window_order(&w, orders);
	} while (order);

	return VM_FAULT_FALLBACK;
}

#ifdef CONFIG_LARGE_ANON_FOLIO_KUNIT_TEST
#include "large_anon_folio_test.c"
#endif
