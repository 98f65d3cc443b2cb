// SPDX-License-Identifier: GPL-2.0
/*
 * User PTE tables
 *
 * What include/linux/pte_table.h has no need to do inline.
 */

#include <linux/bitfield.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pgalloc.h>
#include <linux/pte_table.h>
#include <linux/rcupdate.h>
#include <linux/sysctl.h>
#include <linux/vmstat.h>
#include <asm/tlb.h>

#include "internal.h"

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
 * pte_try_map_lock_again - pte_try_map_lock() after a race for the table was lost
 * @mm: the address space
 * @pmd: the entry for @addr
 * @addr: user virtual address
 * @ptlp: set to the lock, which is held
 *
 * Context: as for pte_try_map_lock().
 * Return: as of pte_try_map_lock().
 */
pte_t *pte_try_map_lock_again(struct mm_struct *mm, pmd_t *pmd,
			      unsigned long addr, spinlock_t **ptlp)
{
	pmd_t pmdval;
	pte_t *pte;

	for (;;) {
		pte = pte_try_map_nolock(mm, pmd, addr, &pmdval, ptlp);
		if (!pte)
			return NULL;
		spin_lock(*ptlp);
		if (pte_map_recheck(pmd, pmdval))
			break;
		spin_unlock(*ptlp);
		pte_try_unmap(pte);
	}
	pte_table_read_unlock();
	return pte;
}

/**
 * pte_alloc_map_lock - map a PTE and take its lock, with a new table if need be
 * @mm: the address space
 * @pmd: the entry for @addr
 * @addr: user virtual address
 * @ptlp: set to the lock, which is held
 *
 * A table that is empty may go away again before it is locked.
 *
 * Context: mmap_lock held, or @addr is outside of any VMA; no PTL held. May sleep.
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
		pte_table_pin(mm, pte);
		pte_unmap_unlock(pte, ptl);
	}
	return pte;
}
#endif

#ifdef CONFIG_FREE_USER_PTE
/**
 * pte_table_filled - a table that had no entry has one
 * @mm: the address space
 * @table: the table
 *
 * Context: The PTL is held.
 */
void pte_table_filled(struct mm_struct *mm, struct page *table)
{
	u16 flags = table->pte_flags;

	if (!(flags & PTE_TABLE_EMPTY))
		return;

	/*
	 * Which makes nr_pte_table_empty less, too: see vmstat_start(). No interrupt
	 * counts it, and the PTL keeps others from this CPU.
	 */
	__count_vm_event(PTE_TABLE_REFILLED);
	atomic_long_dec(&mm->pte_tables.nr_empty);
	table->pte_flags = flags & PTE_TABLE_LIST;
}

/* A table without entries, which is counted from now on. */
static __always_inline void mark_empty(struct mm_struct *mm, struct page *table,
				       u16 flags)
{
	/* not PTE_TABLE_PASS, which one that is not in use yet may have got */
	table->pte_flags = flags;
	__count_vm_event(NR_PTE_TABLE_EMPTY);
	atomic_long_inc(&mm->pte_tables.nr_empty);
}

/* Apart, so that pte_table_emptied() has no registers to save for what is called here. */
static noinline void emptied_unlisted(struct mm_struct *mm, struct page *table)
{
	/* all tables of an address space that nobody uses go away anyway */
	if ((table->pte_flags & PTE_TABLE_PINNED) || !atomic_read(&mm->mm_users))
		return;

	mark_empty(mm, table, pte_table_list_mm(mm, table));
}

/**
 * pte_table_emptied - a table has lost its last entry
 * @mm: the address space
 * @table: the table
 *
 * Context: The PTL is held.
 */
void pte_table_emptied(struct mm_struct *mm, struct page *table)
{
	u16 flags = READ_ONCE(mm->pte_tables.empty_flags);

	if (likely(!((table->pte_flags ^ flags) & (PTE_TABLE_LIST | PTE_TABLE_PINNED))))
		mark_empty(mm, table, flags);
	else
		emptied_unlisted(mm, table);
}

/**
 * pte_table_forget - do not count a table among the empty ones any more
 * @mm: the address space
 * @table: the table
 *
 * Context: The PTL is held, or nobody else can get at the table.
 */
void pte_table_forget(struct mm_struct *mm, struct page *table)
{
	if (table->pte_flags & PTE_TABLE_EMPTY) {
		count_vm_events(NR_PTE_TABLE_EMPTY, -1);
		atomic_long_dec(&mm->pte_tables.nr_empty);
	}
	table->pte_flags &= ~(PTE_TABLE_EMPTY | PTE_TABLE_PASS);
}

/**
 * pte_table_gone - an empty table is not in the pmd any more
 * @mm: the address space
 * @table: the table
 *
 * Context: Nobody sets an entry of it any more.
 */
void pte_table_gone(struct mm_struct *mm, struct page *table)
{
	VM_WARN_ON_ONCE(table->pte_nr && !(table->pte_flags & PTE_TABLE_PINNED));
	pte_table_forget(mm, table);
}

/**
 * pte_table_looks_empty - is there a table that may be freed, by the look of it?
 * @pmd: the entry for @addr
 * @addr: user virtual address
 *
 * Context: mmap_lock held.
 * Return: a hint, which may be wrong as soon as it is known.
 */
bool pte_table_looks_empty(pmd_t *pmd, unsigned long addr)
{
	pte_t *pte = pte_try_map(pmd, addr);
	struct page *table;
	bool empty;

	if (!pte)
		return false;

	table = virt_to_page(pte);
	empty = !READ_ONCE(table->pte_nr) &&
		!(READ_ONCE(table->pte_flags) & PTE_TABLE_PINNED);
	pte_try_unmap(pte);
	return empty;
}

#ifdef CONFIG_DEBUG_FREE_USER_PTE
static void mark_removed(struct mmu_gather *tlb, struct page *table)
{
	struct rcu_gp_oldstate state;

	tlb->tables_start = 0;
	tlb->tables_end = 0;
	get_state_synchronize_rcu_full(&state);
	table->pte_removed = state.rgos_norm;
}

static void warn_not_flushed(struct mmu_gather *tlb, unsigned long start,
			     unsigned long size)
{
	WARN(start < tlb->tables_start || start + size > tlb->tables_end,
	     "PTE table removed, but its walk caches are not flushed\n");
}
#else
static void mark_removed(struct mmu_gather *tlb, struct page *table) { }
static void warn_not_flushed(struct mmu_gather *tlb, unsigned long start,
			     unsigned long size)
{
}
#endif

/**
 * pte_table_try_free - take a table out of its pmd if it is empty, and free it
 * @tlb: a gather of the address space
 * @pmd: the entry for @addr
 * @addr: user virtual address
 * @pass: only if it was empty in another pass, too; 0: now
 *
 * Documentation/mm/pte_tables.rst has who can race, and why each is safe.
 *
 * Context: mmap_lock held, for reading at least, until @tlb is finished. No PTL
 *	held. Takes the lock of the pmd, and that of the table.
 * Return: true if the table has been taken out. It is freed when RCU readers
 *	have left.
 */
bool pte_table_try_free(struct mmu_gather *tlb, pmd_t *pmd, unsigned long addr,
			u8 pass)
{
	struct mm_struct *mm = tlb->mm;
	struct page *table;
	bool freed = false;
	bool nested;		/* others have a gather of this mm, too */
	u8 found;
	spinlock_t *pml;	/* of the table that pmd is in */
	spinlock_t *ptl;	/* of the table that it points to */
	pmd_t pmdval;

	mmap_assert_locked(mm);
	if (!pte_table_looks_empty(pmd, addr))
		return false;

	/* from here on nobody puts another table or a huge page there */
	pml = pmd_lock(mm, pmd);
	pmdval = *pmd;
	if (!pmd_is_table(pmdval))
		goto unlock_pmd;

	/* and from here on nobody who has mapped this one uses it */
	ptl = pte_lockptr(mm, &pmdval);
	if (ptl != pml)
		spin_lock_nested(ptl, SINGLE_DEPTH_NESTING);
	else
		__acquire(ptl);

	pte_table_verify((pte_t *)pmd_page_vaddr(pmdval));
	table = pmd_pgtable(pmdval);
	if (table->pte_nr || (table->pte_flags & PTE_TABLE_PINNED))
		goto unlock_table;
	found = FIELD_GET(PTE_TABLE_PASS, table->pte_flags);
	if (pass && (!found || found == pass)) {
		table->pte_flags |= FIELD_PREP(PTE_TABLE_PASS, pass);
		goto unlock_table;
	}

	/*
	 * Who finds no table will not take its lock, and so will not flush what
	 * is pending for entries that were cleared under it: by try_to_unmap(),
	 * or in the gather of somebody who has not come to its end yet.
	 */
	flush_tlb_batched_pending(mm);
	nested = mm_tlb_flush_nested(mm);
	if (nested)
		tlb_flush_pte_range(tlb, addr & PMD_MASK, PMD_SIZE);

	pmd_clear(pmd);
	mark_removed(tlb, table);
	mm_dec_nr_ptes(mm);
	pte_table_gone(mm, table);
	pte_free_tlb(tlb, table, addr);
	/*
	 * Entries and walk caches, before the pmd has another table (arm64:
	 * break before make) or maps a huge page over what is still cached.
	 */
	tlb_flush_mmu_tlbonly(tlb);
	if (nested)
		warn_not_flushed(tlb, addr & PMD_MASK, PMD_SIZE);
	else
		warn_not_flushed(tlb, addr, 1);
	freed = true;

unlock_table:
	if (ptl != pml)
		spin_unlock(ptl);
	else
		__release(ptl);
unlock_pmd:
	spin_unlock(pml);
	return freed;
}

/* vm.pte_table_reclaim: who may free a table */
enum {
	PTE_TABLE_RECLAIM_OFF,
	PTE_TABLE_RECLAIM_SHRINKER,
	PTE_TABLE_RECLAIM_SPANS,
	PTE_TABLE_RECLAIM_ALWAYS,
};

static int sysctl_pte_table_reclaim = PTE_TABLE_RECLAIM_SPANS;

/* What it says about a zap: one of so many bytes, or more, frees in place. */
static const unsigned long in_place_spans[] = {
	[PTE_TABLE_RECLAIM_OFF]		= ULONG_MAX,
	[PTE_TABLE_RECLAIM_SHRINKER]	= ULONG_MAX,
	[PTE_TABLE_RECLAIM_SPANS]	= PMD_SIZE,
	[PTE_TABLE_RECLAIM_ALWAYS]	= 0,
};

unsigned long pte_table_in_place_span = PMD_SIZE;

/**
 * pte_table_shrinks - may the shrinker free tables?
 *
 * Return: true if vm.pte_table_reclaim says so.
 */
bool pte_table_shrinks(void)
{
	return READ_ONCE(sysctl_pte_table_reclaim) != PTE_TABLE_RECLAIM_OFF;
}

/**
 * pte_table_free_in_place - free the table that has just been zapped, if empty
 * @tlb: the gather of the zap
 * @pmd: the entry for @addr
 * @addr: user virtual address
 *
 * Context: as for pte_table_try_free().
 */
void pte_table_free_in_place(struct mmu_gather *tlb, pmd_t *pmd,
			     unsigned long addr)
{
	if (pte_table_try_free(tlb, pmd, addr, 0))
		count_vm_event(PTE_TABLE_FREED_INPLACE);
}

static int pte_table_reclaim_handler(struct ctl_table *table, int write, void *buffer,
				     size_t *lenp, loff_t *ppos)
{
	static DEFINE_MUTEX(lock);	/* the span is that of the value */
	int ret;

	mutex_lock(&lock);
	ret = proc_dointvec_minmax(table, write, buffer, lenp, ppos);
	if (!ret && write)
		WRITE_ONCE(pte_table_in_place_span,
			   in_place_spans[sysctl_pte_table_reclaim]);
	mutex_unlock(&lock);
	return ret;
}

static struct ctl_table pte_table_sysctls[] = {
	{
		.procname	= "pte_table_reclaim",
		.data		= &sysctl_pte_table_reclaim,
		.maxlen		= sizeof(sysctl_pte_table_reclaim),
		.mode		= 0644,
		.proc_handler	= pte_table_reclaim_handler,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_THREE,
	},
	{ }
};

static int __init pte_table_init_sysctls(void)
{
	register_sysctl_init("vm", pte_table_sysctls);
	return 0;
}
late_initcall(pte_table_init_sysctls);
#endif /* CONFIG_FREE_USER_PTE */

#ifdef CONFIG_DEBUG_FREE_USER_PTE
u32 pte_table_late_pid;
static u32 pte_table_overtaken;

/**
 * pte_table_late - let others free a table before this thread locks it, or reads it
 * @pmd: the entry
 * @pmdval: what was read there
 *
 * For tests, which write the PID of a thread to pte_table_late in debugfs: whenever it
 * has found a table, it waits for that to be freed, a millisecond at most.
 * pte_table_overtaken says how often it was.
 *
 * Context: that of the caller of pte_table_enter(), in its RCU section.
 */
void pte_table_late(pmd_t *pmd, pmd_t pmdval)
{
	unsigned int tries;

	if (current->pid != READ_ONCE(pte_table_late_pid))
		return;
	for (tries = 0; tries < 500; tries++) {
		if (!pte_map_recheck(pmd, pmdval)) {
			WRITE_ONCE(pte_table_overtaken, pte_table_overtaken + 1);
			return;
		}
		udelay(2);
	}
}

static int __init pte_table_late_init(void)
{
	debugfs_create_u32("pte_table_late", 0600, NULL, &pte_table_late_pid);
	debugfs_create_u32("pte_table_overtaken", 0400, NULL, &pte_table_overtaken);
	return 0;
}
late_initcall(pte_table_late_init);

/**
 * pte_table_verify - compare the count of a table with its entries
 * @pte: any PTE of the table
 *
 * Warns if they differ, and pins the table: once is enough, and nobody may take it
 * for an empty one.
 *
 * Context: The PTL is held, and what has been done under it is counted.
 */
void pte_table_verify(pte_t *pte)
{
	pte_t *table = (pte_t *)((unsigned long)pte & PAGE_MASK);
	struct page *page = virt_to_page(pte);
	unsigned int i, nr = 0;

	if (page->pte_flags & PTE_TABLE_PINNED)
		return;
	for (i = 0; i < PTRS_PER_PTE; i++)
		nr += !pte_none(READ_ONCE(table[i]));
	if (WARN(nr != page->pte_nr, "%u entries, but the count is %u\n",
		 nr, page->pte_nr))
		page->pte_flags |= PTE_TABLE_PINNED;
}
EXPORT_SYMBOL_GPL(pte_table_verify); /* pte_unmap_unlock() calls it */

/**
 * pte_table_verify_freed - warn if a table is freed that somebody may still use
 * @table: the table
 *
 * Context: The table's lock is about to be freed.
 */
void pte_table_verify_freed(struct page *table)
{
	struct rcu_gp_oldstate state;

	WARN(table->pte_flags & PTE_TABLE_EMPTY,
	     "PTE table freed, but still counted as an empty one\n");
	if (!table->pte_removed)
		return;

	/* call_rcu() waits for a normal grace period: the other one is not over */
	get_state_synchronize_rcu_full(&state);
	state.rgos_norm = table->pte_removed;
	WARN(!poll_state_synchronize_rcu_full(&state),
	     "PTE table freed while RCU readers may use it\n");
	table->pte_removed = 0;
}
#endif

#ifdef CONFIG_FREE_USER_PTE_KUNIT_TEST
#include "pte_table_test.c"
#endif
