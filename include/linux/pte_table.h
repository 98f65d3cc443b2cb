/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PTE_TABLE_H
#define _LINUX_PTE_TABLE_H

/*
 * User PTE tables: how a walker gets from a pmd entry to the PTEs behind it.
 *
 * With FREE_USER_PTE an empty table may go away while mmap_lock is held for
 * reading, or not at all (rmap). So mapping one can fail, *pmd is read once for
 * the lock and for the entries, and read again when the lock is held. Until then
 * RCU keeps the table and its lock; then the lock does, since whoever takes a
 * table away holds it, too.
 *
 * Without FREE_USER_PTE a table that was seen once stays while mmap_lock is
 * held, and none of this costs anything.
 */

#include <linux/mm.h>
#include <linux/rcupdate.h>

struct mem_cgroup;
struct mmu_gather;

#ifdef CONFIG_MMU

void pte_table_missing(pmd_t *pmd);
pte_t *pte_try_map_lock_again(struct mm_struct *mm, pmd_t *pmd,
			      unsigned long addr, spinlock_t **ptlp);

/**
 * pmd_is_table - is this the entry of a page table?
 * @pmdval: a pmd that was read once
 *
 * Return: false if it is none, maps or migrates a huge page, or is bad.
 */
static inline bool pmd_is_table(pmd_t pmdval)
{
	/* arm64, x86: what is not exactly the entry of a table is bad */
	if (IS_ENABLED(CONFIG_FREE_USER_PTE))
		return !pmd_bad(pmdval);

	return pmd_present(pmdval) && !pmd_trans_huge(pmdval) &&
	       !pmd_devmap(pmdval) && !pmd_bad(pmdval);
}

/*
 * The entry of a table that is there, which the compiler cannot tell from an
 * address: a caller's check for a table that has gone is then left out.
 */
#define pte_never_null(pte)						\
({									\
	pte_t *__never_null = (pte);					\
									\
	if (!__never_null)						\
		__builtin_unreachable();				\
	__never_null;							\
})

/* Sparse does not see the RCU sections: they end in other functions. */
#if defined(CONFIG_FREE_USER_PTE) && !defined(__CHECKER__)

static inline void pte_table_read_lock(void)
{
	rcu_read_lock();
}

static inline void pte_table_read_unlock(void)
{
	rcu_read_unlock();
}

/**
 * pte_map_recheck - is the table still the one that was mapped?
 * @pmd: the entry
 * @pmdval: what pte_try_map_nolock() has read there
 *
 * Context: The lock that pte_try_map_nolock() returned is held.
 * Return: true if the table is there, and stays as long as the lock is held.
 */
static __always_inline bool pte_map_recheck(pmd_t *pmd, pmd_t pmdval)
{
	pmd_t now = READ_ONCE(*pmd);

	if (likely(pmd_same(now, pmdval)))
		return true;

	/* the CPU may have set the accessed bit since (x86) */
	return pmd_is_table(now) &&
	       pmd_page_vaddr(now) == pmd_page_vaddr(pmdval);
}

#else /* CONFIG_FREE_USER_PTE */

static inline void pte_table_read_lock(void) { }
static inline void pte_table_read_unlock(void) { }

static inline bool pte_map_recheck(pmd_t *pmd, pmd_t pmdval)
{
	return true;
}

#endif /* CONFIG_FREE_USER_PTE */

#ifdef CONFIG_DEBUG_FREE_USER_PTE
extern u32 pte_table_late_pid;
void pte_table_late(pmd_t *pmd, pmd_t pmdval);
#endif

/* Here is where tables are lost: a test can have a thread be late. */
static inline void pte_table_may_be_late(pmd_t *pmd, pmd_t pmdval)
{
#ifdef CONFIG_DEBUG_FREE_USER_PTE
	if (unlikely(READ_ONCE(pte_table_late_pid)))
		pte_table_late(pmd, pmdval);
#endif
}

/* Whoever is told that there is a table is in the RCU section that keeps it. */
static __always_inline bool pte_table_enter(pmd_t *pmd, pmd_t *pmdval)
{
	pte_table_read_lock();
	*pmdval = pmd_read_atomic(pmd);
	if (likely(pmd_is_table(*pmdval))) {
		pte_table_may_be_late(pmd, *pmdval);
		return true;
	}

	pte_table_read_unlock();
	pte_table_missing(pmd);
	return false;
}

/**
 * pte_try_map_nolock - map a PTE without its lock, and say which lock that is
 * @mm: the address space
 * @pmd: the entry for @addr
 * @addr: user virtual address
 * @pmdval: set to what was read at @pmd
 * @ptl: set to the lock of the table
 *
 * For those who look at the PTE first, or only try the lock. Once it is held
 * they ask pte_map_recheck(), and end with pte_try_unmap().
 *
 * Context: mmap_lock or an rmap lock held. Must not sleep until pte_try_unmap():
 *	an RCU read-side section. What is read before the lock is held may be old.
 * Return: The PTE, or NULL (nothing to end) if @pmd is not a page table.
 */
static __always_inline pte_t *pte_try_map_nolock(struct mm_struct *mm, pmd_t *pmd,
						 unsigned long addr, pmd_t *pmdval,
						 spinlock_t **ptl)
{
	if (!pte_table_enter(pmd, pmdval))
		return NULL;

	*ptl = pte_lockptr(mm, pmdval);
	return pte_never_null(pte_offset_map(pmdval, addr));
}

/**
 * pte_try_map - map a PTE to look at it without its lock
 * @pmd: the entry for @addr
 * @addr: user virtual address
 *
 * Context: as for pte_try_map_nolock().
 * Return: The PTE, or NULL (nothing to end) if @pmd is not a page table.
 */
static inline pte_t *pte_try_map(pmd_t *pmd, unsigned long addr)
{
	pmd_t pmdval;

	if (!pte_table_enter(pmd, &pmdval))
		return NULL;

	return pte_never_null(pte_offset_map(&pmdval, addr));
}

/**
 * pte_try_unmap - the end of pte_try_map() and pte_try_map_nolock()
 * @pte: what they returned, or a PTE beside it in the table
 */
static inline void pte_try_unmap(pte_t *pte)
{
	pte_unmap(pte);
	pte_table_read_unlock();
}

/* Inline for pte_try_relock(): a fault or a zap that is short would notice the call. */
static __always_inline pte_t *__pte_try_map_lock(struct mm_struct *mm, pmd_t *pmd,
						 unsigned long addr,
						 spinlock_t **ptlp)
{
	spinlock_t *ptl;	/* of the table in pmdval */
	pmd_t pmdval;
	pte_t *pte;

	pte = pte_try_map_nolock(mm, pmd, addr, &pmdval, &ptl);
	if (!pte)
		return NULL;

	spin_lock(ptl);
	if (unlikely(!pte_map_recheck(pmd, pmdval))) {
		spin_unlock(ptl);
		pte_try_unmap(pte);
		return pte_try_map_lock_again(mm, pmd, addr, ptlp);
	}
	pte_table_read_unlock();
	*ptlp = ptl;
	return pte;
}

/**
 * pte_try_map_lock - map a PTE and take its lock
 * @mm: the address space
 * @pmd: the entry for @addr
 * @addr: user virtual address
 * @ptlp: set to the lock, which is held
 *
 * Context: mmap_lock or an rmap lock held, no PTL held.
 * Return: The PTE, until pte_unmap_unlock(); or NULL if @pmd is not a page table:
 *	nothing is mapped there, or a huge page.
 */
static inline pte_t *pte_try_map_lock(struct mm_struct *mm, pmd_t *pmd,
				      unsigned long addr, spinlock_t **ptlp)
{
	return __pte_try_map_lock(mm, pmd, addr, ptlp);
}

/**
 * pte_try_relock - pte_try_map_lock() in a table that was seen before
 * @mm: the address space
 * @pmd: the entry for @addr
 * @addr: user virtual address
 * @ptlp: set to the lock, which is held
 *
 * For those who have seen that @pmd is a page table, and have held mmap_lock
 * (truncation: i_mmap_rwsem) ever since: only FREE_USER_PTE could have taken it
 * away, and it is not looked at again without.
 *
 * Context: mmap_lock or an rmap lock held, no PTL held.
 * Return: as of pte_try_map_lock().
 */
static __always_inline pte_t *pte_try_relock(struct mm_struct *mm, pmd_t *pmd,
					     unsigned long addr,
					     spinlock_t **ptlp)
{
	if (IS_ENABLED(CONFIG_FREE_USER_PTE))
		return __pte_try_map_lock(mm, pmd, addr, ptlp);

	return pte_never_null(pte_offset_map_lock(mm, pmd, addr, ptlp));
}

/**
 * pte_try_remap - pte_try_map() in a table that was seen before
 * @pmd: the entry for @addr
 * @addr: user virtual address
 *
 * For the same callers as pte_try_relock(). Ends with pte_try_unmap().
 *
 * Context: mmap_lock held; otherwise as for pte_try_map_nolock().
 * Return: as of pte_try_map().
 */
static __always_inline pte_t *pte_try_remap(pmd_t *pmd, unsigned long addr)
{
	if (IS_ENABLED(CONFIG_FREE_USER_PTE))
		return pte_try_map(pmd, addr);

	return pte_never_null(pte_offset_map(pmd, addr));
}

#ifdef CONFIG_FREE_USER_PTE

/* page->pte_flags of a PTE table, changed under its lock */
#define PTE_TABLE_EMPTY		BIT(0)	/* has had entries, has none: nr_pte_table_empty */
#define PTE_TABLE_PINNED	BIT(1)	/* has entries that nobody counts: it stays */
#define PTE_TABLE_LIST		GENMASK(7, 2)	/* of its mm, then: pte_table_list_mm() */
#define PTE_TABLE_PASS		GENMASK(15, 8)	/* of the shrinker, that found it empty */

void pte_table_filled(struct mm_struct *mm, struct page *table);
void pte_table_emptied(struct mm_struct *mm, struct page *table);
void pte_table_forget(struct mm_struct *mm, struct page *table);
void pte_table_gone(struct mm_struct *mm, struct page *table);
bool pte_table_looks_empty(pmd_t *pmd, unsigned long addr);
bool pte_table_try_free(struct mmu_gather *tlb, pmd_t *pmd, unsigned long addr,
			u8 pass);
void pte_table_free_in_place(struct mmu_gather *tlb, pmd_t *pmd,
			     unsigned long addr);
int pte_table_reclaim_mm(struct mm_struct *mm);
bool pte_table_shrinks(void);
unsigned int pte_table_list_mm(struct mm_struct *mm, struct page *table);

extern unsigned long pte_table_in_place_span;

/**
 * pte_table_frees_in_place - does who empties a table free it?
 * @span: bytes that are zapped in one piece
 *
 * Return: true if vm.pte_table_reclaim says so.
 */
static inline bool pte_table_frees_in_place(unsigned long span)
{
	return span >= READ_ONCE(pte_table_in_place_span);
}

/**
 * pte_table_of - the table that a lock belongs to
 * @ptl: the lock of @pte
 * @pte: any PTE of the table
 *
 * A lock that is a part of the table's page is a shorter way to it than the address.
 *
 * Context: @ptl is held.
 * Return: the page of the table.
 */
static inline struct page *pte_table_of(spinlock_t *ptl, pte_t *pte)
{
#if USE_SPLIT_PTE_PTLOCKS && !ALLOC_SPLIT_PTLOCKS
	return container_of(ptl, struct page, ptl);
#else
	return virt_to_page(pte);
#endif
}

/* pte_table_add() where the table is at hand */
static inline void __pte_table_add(struct mm_struct *mm, struct page *table, int nr)
{
	u16 before = table->pte_nr;
	u16 now = before + nr;

	/* pte_table_looks_empty() reads it without the lock */
	WRITE_ONCE(table->pte_nr, now);
	if (nr > 0 && unlikely(!before))
		pte_table_filled(mm, table);
	else if (nr < 0 && unlikely(!now))
		pte_table_emptied(mm, table);
}

/* pte_table_sub() where the table is at hand */
static inline void __pte_table_sub(struct mm_struct *mm, struct page *table,
				   unsigned int nr)
{
	u16 now = table->pte_nr - nr;

	/* pte_table_add() would ask for the sign of what is not a constant */
	WRITE_ONCE(table->pte_nr, now);
	if (nr && unlikely(!now))
		pte_table_emptied(mm, table);
}

/**
 * pte_table_add - count entries that have been none and are not any more
 * @mm: the address space
 * @pte: any PTE of the table
 * @nr: how many; less than 0 if that many are none now
 *
 * Swap, migration and other entries that are not present count as those that
 * are. Once for all that is done under one hold of the lock is enough.
 *
 * Context: The PTL is held.
 */
static inline void pte_table_add(struct mm_struct *mm, pte_t *pte, int nr)
{
	__pte_table_add(mm, virt_to_page(pte), nr);
}

/**
 * pte_table_sub - count entries that are none now
 * @mm: the address space
 * @pte: any PTE of the table
 * @nr: how many
 *
 * Context: The PTL is held.
 */
static inline void pte_table_sub(struct mm_struct *mm, pte_t *pte, unsigned int nr)
{
	__pte_table_sub(mm, virt_to_page(pte), nr);
}

/**
 * pte_table_set - say how many entries a table has
 * @table: the table
 * @nr: how many are not none
 *
 * Context: Nobody else can get at the table, and it is not PTE_TABLE_EMPTY.
 */
static inline void pte_table_set(pgtable_t table, unsigned int nr)
{
	table->pte_nr = nr;
}

/**
 * pte_table_pin - keep a table until no VMA is left near it
 * @mm: the address space; NULL for a table that has just been allocated
 * @pte: any PTE of the table
 *
 * For a table in which somebody sets entries without the PTL, or outside of any
 * VMA, and does not count them.
 *
 * Context: The PTL is held, or nobody else knows the table.
 */
static inline void pte_table_pin(struct mm_struct *mm, pte_t *pte)
{
	struct page *table = virt_to_page(pte);

	pte_table_forget(mm, table);
	table->pte_flags |= PTE_TABLE_PINNED;
}

/**
 * pte_table_pinned - is there a table here in which others set entries?
 * @pmd: the entry for @addr
 * @addr: user virtual address
 *
 * Context: mmap_lock or a lock that keeps the VMA held.
 * Return: true if there is; it stays.
 */
static inline bool pte_table_pinned(pmd_t *pmd, unsigned long addr)
{
	pte_t *pte = pte_try_map(pmd, addr);
	bool pinned;

	if (!pte)
		return false;

	pinned = READ_ONCE(virt_to_page(pte)->pte_flags) & PTE_TABLE_PINNED;
	pte_try_unmap(pte);
	return pinned;
}

#else /* CONFIG_FREE_USER_PTE */

static inline struct page *pte_table_of(spinlock_t *ptl, pte_t *pte) { return NULL; }
static inline void __pte_table_add(struct mm_struct *mm, struct page *table, int nr) { }
static inline void __pte_table_sub(struct mm_struct *mm, struct page *table,
				   unsigned int nr) { }
static inline void pte_table_add(struct mm_struct *mm, pte_t *pte, int nr) { }
static inline void pte_table_sub(struct mm_struct *mm, pte_t *pte, unsigned int nr) { }
static inline void pte_table_set(pgtable_t table, unsigned int nr) { }
static inline void pte_table_pin(struct mm_struct *mm, pte_t *pte) { }
static inline void pte_table_forget(struct mm_struct *mm, pgtable_t table) { }
static inline void pte_table_gone(struct mm_struct *mm, pgtable_t table) { }
static inline bool pte_table_looks_empty(pmd_t *pmd, unsigned long addr) { return false; }
static inline bool pte_table_pinned(pmd_t *pmd, unsigned long addr) { return true; }
static inline bool pte_table_frees_in_place(unsigned long span) { return false; }
static inline void pte_table_free_in_place(struct mmu_gather *tlb, pmd_t *pmd,
					   unsigned long addr) { }

#endif /* CONFIG_FREE_USER_PTE */

#if defined(CONFIG_FREE_USER_PTE) && !defined(__CHECKER__)
pte_t *pte_alloc_map_pinned(struct mm_struct *mm, pmd_t *pmd, unsigned long addr);
#else
#define pte_alloc_map_pinned(mm, pmd, addr)	pte_alloc_map(mm, pmd, addr)
#endif

#ifdef __CHECKER__
/*
 * Sparse cannot follow a lock that is held if a pointer is not NULL. It is shown
 * functions that always find a table.
 */
#define pte_try_map_lock(mm, pmd, addr, ptlp)				\
	pte_never_null(pte_offset_map_lock(mm, pmd, addr, ptlp))
#define pte_try_relock(mm, pmd, addr, ptlp)				\
	pte_never_null(pte_offset_map_lock(mm, pmd, addr, ptlp))
#endif

#endif /* CONFIG_MMU */

/* What is called without an MMU, too */
#ifdef CONFIG_FREE_USER_PTE
void pte_table_mm_init(struct mm_struct *mm);
void pte_table_mm_exit(struct mm_struct *mm);
void pte_table_memcg_init(struct mem_cgroup *memcg);
void pte_table_memcg_offline(struct mem_cgroup *memcg);
#else
static inline void pte_table_mm_init(struct mm_struct *mm) { }
static inline void pte_table_mm_exit(struct mm_struct *mm) { }
static inline void pte_table_memcg_init(struct mem_cgroup *memcg) { }
static inline void pte_table_memcg_offline(struct mem_cgroup *memcg) { }
#endif

#endif /* _LINUX_PTE_TABLE_H */
