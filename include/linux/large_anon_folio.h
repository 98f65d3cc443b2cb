/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_LARGE_ANON_FOLIO_H
#define _LINUX_LARGE_ANON_FOLIO_H

/*
 * Large anonymous folios: a write fault served by more than one page.
 *
 * mm/large_anon_folio.c follows one fault: order, allocation, mapping.
 * mm/large_anon_policy.c says which orders are enabled, and counts.
 */

#include <linux/mm.h>
#include <linux/percpu.h>

struct kobject;
struct mmu_gather;

/* Per size, in hugepages-<size>kB/stats/. */
enum large_anon_stat {
	ANON_FAULT_ALLOC,		/* folio mapped by a fault */
	ANON_FAULT_FALLBACK,		/* not allocated or not charged */
	ANON_FAULT_FALLBACK_CHARGE,	/* allocated, but not charged */
	NR_LARGE_ANON_STATS,
};

/* Does @page belong to a large anonymous folio? Never without the option. */
static inline bool page_is_large_anon(struct page *page)
{
	return IS_ENABLED(CONFIG_LARGE_ANON_FOLIO) && PageCompound(page) &&
	       PageAnon(page);
}

/**
 * page_moves_shared - would a page's migration move what others map?
 * @page:	a page that is mapped
 *
 * Context: The caller has a reference or the PTL. The answer may be old at once.
 * Return: true if the page is mapped more than once or, since it moves with its
 *	folio, another page of its large anonymous folio is.
 */
static inline bool page_moves_shared(struct page *page)
{
	unsigned long i;

	if (page_mapcount(page) > 1)
		return true;
	if (!page_is_large_anon(page) || PageHuge(page))
		return false;

	page = compound_head(page);
	for (i = 0; i < compound_nr(page); i++)
		if (page_mapcount(page + i) > 1)
			return true;

	return false;
}

/* Called behind IS_ENABLED(CONFIG_LARGE_ANON_FOLIO) too. */
unsigned long anon_orders_enabled(unsigned long vm_flags);
bool anon_pmd_order_enabled(void);

#ifdef CONFIG_LARGE_ANON_FOLIO

/*
 * An order-1 folio has no page[2], where the deferred split list lives: the
 * split code would write into the struct page of a neighbour.
 */
#define LARGE_ANON_MIN_ORDER	2

/* Every order that has a policy, the PMD size included. */
#define LARGE_ANON_ORDERS	GENMASK(HPAGE_PMD_ORDER, LARGE_ANON_MIN_ORDER)

struct large_anon_stats {
	unsigned long count[HPAGE_PMD_ORDER + 1][NR_LARGE_ANON_STATS];
};

DECLARE_PER_CPU(struct large_anon_stats, large_anon_stats);

static inline void count_large_anon_stat(unsigned int order,
					 enum large_anon_stat stat)
{
	this_cpu_inc(large_anon_stats.count[order][stat]);
}

int large_anon_sysfs_init(struct kobject *parent);
void large_anon_sysfs_exit(void);

vm_fault_t do_large_anon_page(struct vm_fault *vmf);

/* A special entry may hold the PFN of any page, and none of its references. */
static inline bool pte_maps_pfn(pte_t pte, unsigned long pfn)
{
	return pte_present(pte) && !pte_special(pte) && pte_pfn(pte) == pfn;
}

/**
 * large_anon_around - where the folio of a fault can be mapped around it
 * @vmf:	the fault
 * @page:	the page at vmf->address, of a large anonymous folio
 * @below:	set to the number of those entries that are below vmf->pte
 *
 * Context: The folio cannot be split: PTL or a reference is held.
 * Return: The number of entries around vmf->pte that lie in its VMA and table,
 *	and have pages of the folio if it is mapped in order.
 */
static inline unsigned long large_anon_around(struct vm_fault *vmf,
					      struct page *page,
					      unsigned long *below)
{
	struct vm_area_struct *vma = vmf->vma;
	struct folio *folio = page_folio(page);
	unsigned long idx = folio_page_idx(folio, page);

	*below = min3(idx, pte_index(vmf->address),
		      (vmf->address - vma->vm_start) >> PAGE_SHIFT);

	return min3(folio_nr_pages(folio) - (idx - *below),
		    PTRS_PER_PTE - (pte_index(vmf->address) - *below),
		    ((vma->vm_end - vmf->address) >> PAGE_SHIFT) + *below);
}

unsigned int large_anon_run(struct page *page, const pte_t *pte,
			    unsigned long addr, unsigned long end);
bool large_anon_mapped_whole(struct folio *folio, struct vm_area_struct *vma,
			     const pte_t *pte, unsigned long addr);
unsigned int zap_large_anon_ptes(struct mmu_gather *tlb,
				 struct vm_area_struct *vma,
				 struct page *page, pte_t *pte,
				 unsigned long addr, unsigned long end);
bool large_anon_make_exclusive(struct vm_fault *vmf, struct folio *folio);

bool large_anon_mapped_once(struct folio *folio);
unsigned int large_anon_map_around(struct vm_fault *vmf);

unsigned int mlock_large_anon_ptes(struct vm_area_struct *vma,
				   struct page *page, const pte_t *pte,
				   unsigned long addr, unsigned long end,
				   bool split);
int mlock_split_page(struct page *page);
void __mlock_split_at(struct vm_area_struct *vma, unsigned long addr);

/**
 * mlock_split_at - split the large folio that lies across a limit in a VMA
 * @vma:	the VMA
 * @addr:	where the VMA will end, or the part of it that is going to be
 *		unmapped or moved
 *
 * With this what stays and what goes is counted by the page. Nothing happens
 * unless the VMA is VM_LOCKED.
 *
 * Context: Sleeps. mmap_lock held for reading or writing.
 */
static inline void mlock_split_at(struct vm_area_struct *vma, unsigned long addr)
{
	if (unlikely(vma->vm_flags & VM_LOCKED))
		__mlock_split_at(vma, addr);
}

#else /* CONFIG_LARGE_ANON_FOLIO */

static inline void count_large_anon_stat(unsigned int order,
					 enum large_anon_stat stat)
{
}

static inline int large_anon_sysfs_init(struct kobject *parent)
{
	return 0;
}

static inline void large_anon_sysfs_exit(void)
{
}

static inline vm_fault_t do_large_anon_page(struct vm_fault *vmf)
{
	return VM_FAULT_FALLBACK;
}

static inline unsigned int large_anon_run(struct page *page, const pte_t *pte,
					  unsigned long addr, unsigned long end)
{
	return 0;
}

static inline bool large_anon_mapped_whole(struct folio *folio,
					   struct vm_area_struct *vma,
					   const pte_t *pte, unsigned long addr)
{
	return false;
}

static inline unsigned int zap_large_anon_ptes(struct mmu_gather *tlb,
					       struct vm_area_struct *vma,
					       struct page *page, pte_t *pte,
					       unsigned long addr,
					       unsigned long end)
{
	return 0;
}

static inline bool large_anon_make_exclusive(struct vm_fault *vmf,
					     struct folio *folio)
{
	return false;
}

static inline bool large_anon_mapped_once(struct folio *folio)
{
	return false;
}

static inline unsigned int large_anon_map_around(struct vm_fault *vmf)
{
	return 0;
}

static inline unsigned int mlock_large_anon_ptes(struct vm_area_struct *vma,
						 struct page *page,
						 const pte_t *pte,
						 unsigned long addr,
						 unsigned long end, bool split)
{
	return 1;
}

static inline int mlock_split_page(struct page *page)
{
	return -EBUSY;
}

static inline void mlock_split_at(struct vm_area_struct *vma,
				  unsigned long addr)
{
}

#endif /* CONFIG_LARGE_ANON_FOLIO */

#endif /* _LINUX_LARGE_ANON_FOLIO_H */
