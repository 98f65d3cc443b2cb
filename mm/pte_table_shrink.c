// SPDX-License-Identifier: GPL-2.0
/*
 * User PTE tables: those that stay behind empty
 *
 * Tables get empty in many ways, most of them without mmap_lock: reclaim, truncate,
 * hole punch. Nobody may free them there, so they are only counted, for each address
 * space. Those that have had any are in the list of a memory cgroup. The shrinker comes
 * by, and frees a table that it has found empty before. Writing to
 * /proc/<pid>/reclaim_pte_tables frees all that are empty.
 */

#include <linux/bitfield.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pagewalk.h>
#include <linux/pte_table.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <asm/tlb.h>

#include "internal.h"

/* How many address spaces the shrinker looks at with pte_table_lock held. */
#define MMS_AT_ONCE	256
/* How many pmds that are not none, and PUDs, it looks at for each that it may free. */
#define PMDS_AT_ONCE	256
#define PMDS_AT_LEAST	4096UL

/* For all lists. It is taken under a PTL, and no other lock under it. */
static DEFINE_SPINLOCK(pte_table_lock);
/* Where there are no memory cgroups. */
static LIST_HEAD(pte_table_mms);

static struct shrinker pte_table_shrinker;

static struct list_head *mms_of(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG
	if (memcg)
		return &memcg->pte_table_mms;
#endif
	return &pte_table_mms;
}

/* The group that pays for a table, as the shrinker will be told it. Under RCU. */
static struct mem_cgroup *memcg_of(struct page *table)
{
#ifdef CONFIG_MEMCG
	if (!mem_cgroup_disabled())
		return page_memcg(table) ?: root_mem_cgroup;
#endif
	return NULL;
}

/* The shrinker is called for a group only if it has been told of that. */
static void tell_shrinker(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG
	int nid;

	for_each_node(nid)
		set_shrinker_bit(memcg, nid, pte_table_shrinker.id);
#endif
}

/* What a table that has got empty has while its mm is in this list. */
static unsigned int empty_flags(unsigned int list_nr)
{
	return FIELD_PREP(PTE_TABLE_LIST, list_nr) | PTE_TABLE_EMPTY;
}

/**
 * pte_table_mm_init - a new address space has no empty tables
 * @mm: the address space
 */
void pte_table_mm_init(struct mm_struct *mm)
{
	atomic_long_set(&mm->pte_tables.nr_empty, 0);
	INIT_LIST_HEAD(&mm->pte_tables.list);
	mm->pte_tables.memcg = NULL;
	/* which no table has yet */
	mm->pte_tables.empty_flags = empty_flags(1);
	mm->pte_tables.cursor = 0;
	mm->pte_tables.pass = 1;
}

/**
 * pte_table_mm_exit - the last use of an address space, whose tables are gone
 * @mm: the address space
 */
void pte_table_mm_exit(struct mm_struct *mm)
{
	VM_WARN_ON_ONCE(atomic_long_read(&mm->pte_tables.nr_empty));
	/* once in a list, it stays in one, and without users it gets into none */
	if (list_empty(&mm->pte_tables.list))
		return;

	spin_lock(&pte_table_lock);
	list_del_init(&mm->pte_tables.list);
	spin_unlock(&pte_table_lock);
}

/**
 * pte_table_list_mm - put an address space into the list of a table's group
 * @mm: the address space
 * @table: the table, which has become empty
 *
 * The group is the one that pays for the table, not that of the process: one that
 * moves to another group leaves its tables behind. An address space with tables of
 * two groups is in the list of the one whose table got empty last.
 *
 * Each change of the list has the next number, which the table keeps: to get empty
 * again, it has to look for its group only if the number is another one then.
 *
 * Context: The PTL of the table is held.
 * Return: the flags of a table that gets empty while the mm is in this list.
 */
unsigned int pte_table_list_mm(struct mm_struct *mm, struct page *table)
{
	struct mem_cgroup *memcg;
	unsigned int flags;
	unsigned int nr;

	rcu_read_lock();
	memcg = memcg_of(table);
	/* before the group: that of this list, or of a later one */
	flags = smp_load_acquire(&mm->pte_tables.empty_flags);
	if (list_empty(&mm->pte_tables.list) ||
	    READ_ONCE(mm->pte_tables.memcg) != memcg) {
		spin_lock(&pte_table_lock);
		/* again: see pte_table_memcg_offline() */
		memcg = memcg_of(table);
		nr = FIELD_GET(PTE_TABLE_LIST, mm->pte_tables.empty_flags);
		/* never 0, see pte_table_mm_init() */
		flags = empty_flags(nr % FIELD_MAX(PTE_TABLE_LIST) + 1);
		WRITE_ONCE(mm->pte_tables.memcg, memcg);
		/* after it, see above */
		smp_store_release(&mm->pte_tables.empty_flags, flags);
		list_move_tail(&mm->pte_tables.list, mms_of(memcg));
		spin_unlock(&pte_table_lock);
		tell_shrinker(memcg);
	}
	rcu_read_unlock();
	return flags;
}

#ifdef CONFIG_MEMCG
/**
 * pte_table_memcg_init - a new memory cgroup has no address spaces
 * @memcg: the group
 */
void pte_table_memcg_init(struct mem_cgroup *memcg)
{
	INIT_LIST_HEAD(&memcg->pte_table_mms);
}

/**
 * pte_table_memcg_offline - the parent takes over the address spaces of a group
 * @memcg: the group
 *
 * The group's pages have been made the parent's. Who looks for their group under
 * pte_table_lock after this has had it finds the parent, and who did so before is
 * in the list now.
 */
void pte_table_memcg_offline(struct mem_cgroup *memcg)
{
	struct mem_cgroup *parent = parent_mem_cgroup(memcg) ?: root_mem_cgroup;
	struct mm_struct *mm;

	spin_lock(&pte_table_lock);
	list_for_each_entry(mm, &memcg->pte_table_mms, pte_tables.list)
		WRITE_ONCE(mm->pte_tables.memcg, parent);
	list_splice_tail_init(&memcg->pte_table_mms, &parent->pte_table_mms);
	spin_unlock(&pte_table_lock);
	tell_shrinker(parent);
}
#endif

struct pte_table_walk {
	struct mmu_gather tlb;
	pmd_t *last;		/* that was looked at */
	unsigned long start;	/* address */
	unsigned long next;	/* to go on at, 0 at the end */
	unsigned long budget;	/* empty tables that are still looked at */
	unsigned long pmds;	/* and pmds, and PUDs */
	unsigned long freed;
	u8 pass;		/* of the shrinker, else 0 */
	bool gathering;		/* tlb is in use */
};

/*
 * As long as a gather is open, all others of the mm flush everything, and not only
 * what they have changed: it is so from the first table of a run that is freed to
 * the last one, and not for the whole walk.
 */
static void begin_gather(struct pte_table_walk *w, struct mm_struct *mm)
{
	if (!w->gathering)
		tlb_gather_mmu(&w->tlb, mm);
	w->gathering = true;
}

/* Before mmap_lock is released: see pte_table_try_free(). */
static void end_gather(struct pte_table_walk *w)
{
	if (w->gathering)
		tlb_finish_mmu(&w->tlb);
	w->gathering = false;
}

static int walk_vma(unsigned long start, unsigned long end, struct mm_walk *walk)
{
	/* also those of VM_PFNMAP, in which drivers zap */
	return 0;
}

/* Does somebody wait, or is there nothing left to do? */
static bool walk_ends(struct mm_struct *mm, struct pte_table_walk *w)
{
	if (!w->budget || !w->pmds || mmap_lock_is_contended(mm))
		return true;
	if (!w->pass)
		return signal_pending(current);

	return fatal_signal_pending(current) ||
	       !atomic_long_read(&mm->pte_tables.nr_empty);
}

/* Also where no pmd follows that has a table: what ends a walk is looked at here, too. */
static int walk_pud(pud_t *pud, unsigned long addr, unsigned long next,
		    struct mm_walk *walk)
{
	struct pte_table_walk *w = walk->private;
	pud_t pudval = READ_ONCE(*pud);

	/* each walk gets on by one at least, whoever waits */
	if (addr > w->start && walk_ends(walk->mm, w)) {
		w->next = addr;
		return 1;
	}
	w->pmds -= !!w->pmds;
	end_gather(w);
	cond_resched();
	/* a huge page of PUD size has no tables, and is not split for that */
	if (pud_trans_huge(pudval) || pud_devmap(pudval))
		walk->action = ACTION_CONTINUE;
	return 0;
}

/* More than 0 ends the walk: it goes on at walk->next. */
static int walk_pmd(pmd_t *pmd, unsigned long addr, unsigned long next,
		    struct mm_walk *walk)
{
	struct pte_table_walk *w = walk->private;
	bool freed = false;

	/* the next VMA has a part of the same table: that is no second chance */
	if (pmd == w->last)
		return 0;

	w->last = pmd;
	w->next = (addr & PMD_MASK) + PMD_SIZE;
	w->pmds -= !!w->pmds;
	if (pte_table_looks_empty(pmd, addr)) {
		w->budget--;
		begin_gather(w, walk->mm);
		freed = pte_table_try_free(&w->tlb, pmd, addr, w->pass);
	}
	if (freed) {
		w->freed++;
		count_vm_event(PTE_TABLE_FREED_SHRINKER);
	} else {
		end_gather(w);
	}
	cond_resched();
	return walk_ends(walk->mm, w);
}

static const struct mm_walk_ops pte_table_walk_ops = {
	.test_walk = walk_vma,
	.pud_entry = walk_pud,
	.pmd_entry = walk_pmd,
};

/* From w->next on, until walk_ends(). mmap_lock is held, for reading at least. */
static void walk_tables(struct mm_struct *mm, struct pte_table_walk *w)
{
	mmap_assert_locked(mm);
	w->last = NULL;
	w->start = w->next;
	if (!walk_page_range(mm, w->next, ULONG_MAX, &pte_table_walk_ops, w))
		w->next = 0;
	end_gather(w);
}

/**
 * pte_table_reclaim_mm - free all empty PTE tables of an address space
 * @mm: the address space; the caller has a use of it
 *
 * Context: Process context, mmap_lock not held. May sleep.
 * Return: 0, or -EINTR if a signal came first.
 */
int pte_table_reclaim_mm(struct mm_struct *mm)
{
	struct pte_table_walk w = { .budget = ULONG_MAX, .pmds = ULONG_MAX };

	do {
		if (mmap_read_lock_interruptible(mm))
			return -EINTR;
		walk_tables(mm, &w);
		mmap_read_unlock(mm);
		if (w.next && signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (w.next);

	return 0;
}

/* The first of a list, which becomes the last. Under pte_table_lock. */
static struct mm_struct *rotate(struct list_head *mms)
{
	struct mm_struct *mm;

	mm = list_first_entry(mms, struct mm_struct, pte_tables.list);
	list_rotate_left(mms);
	return mm;
}

/* How many address spaces one pass through a list takes. Under pte_table_lock. */
static unsigned int nr_mms(struct list_head *mms)
{
	struct list_head *entry;
	unsigned int nr = 0;

	list_for_each(entry, mms)
		if (++nr == MMS_AT_ONCE)
			break;
	return nr;
}

/*
 * Of a long list only the part that the next scan begins with is counted, or nothing
 * would ever be found if count and scan took turns. A scan goes on from there; where it
 * finds nothing to do, the next count does. A count is the beginning of a pass: what is
 * asked for may be more than there is, and is scanned again then, and that is no second
 * chance.
 */
static unsigned long shrinker_count(struct shrinker *shrinker,
				    struct shrink_control *sc)
{
	struct list_head *mms = mms_of(sc->memcg);
	unsigned int left = pte_table_shrinks() ? MMS_AT_ONCE : 0;
	struct mm_struct *mm;
	unsigned long empty;

	spin_lock(&pte_table_lock);
	/* not without the lock: rotate() has the only one out of the list for a moment */
	empty = list_empty(mms) ? SHRINK_EMPTY : 0;
	list_for_each_entry(mm, mms, pte_tables.list) {
		if (!left--) {
			if (!empty)
				list_rotate_to_front(&mm->pte_tables.list, mms);
			break;
		}
		empty += atomic_long_read(&mm->pte_tables.nr_empty);
		/* never 0 */
		WRITE_ONCE(mm->pte_tables.pass, mm->pte_tables.pass % U8_MAX + 1);
	}
	spin_unlock(&pte_table_lock);
	return empty;
}

/*
 * The next address space with empty tables among @left, with a use of it that the
 * caller ends; or NULL.
 */
static struct mm_struct *next_mm(struct list_head *mms, unsigned int *left)
{
	struct mm_struct *mm, *found = NULL;

	spin_lock(&pte_table_lock);
	while (!found && *left && !list_empty(mms)) {
		mm = rotate(mms);
		--*left;
		if (atomic_long_read(&mm->pte_tables.nr_empty) &&
		    mmget_not_zero(mm))
			found = mm;
	}
	spin_unlock(&pte_table_lock);
	return found;
}

/* From where the last walk has ended, round to where there is nothing left to do. */
static void scan_mm(struct mm_struct *mm, struct pte_table_walk *w)
{
	bool from_start;

	w->pass = READ_ONCE(mm->pte_tables.pass);
	w->next = READ_ONCE(mm->pte_tables.cursor);
	do {
		from_start = !w->next;
		walk_tables(mm, w);
	} while (!w->next && !from_start && !walk_ends(mm, w));
	WRITE_ONCE(mm->pte_tables.cursor, w->next);
}

static unsigned long shrinker_scan(struct shrinker *shrinker,
				   struct shrink_control *sc)
{
	struct list_head *mms = mms_of(sc->memcg);
	struct pte_table_walk w = {
		.budget = sc->nr_to_scan,
		.pmds = max(sc->nr_to_scan * PMDS_AT_ONCE, PMDS_AT_LEAST),
	};
	struct mm_struct *mm;
	unsigned int left;

	spin_lock(&pte_table_lock);
	left = nr_mms(mms);
	spin_unlock(&pte_table_lock);

	while (w.budget && w.pmds && !fatal_signal_pending(current)) {
		mm = next_mm(mms, &left);
		if (!mm)
			break;
		/* the task that reclaims may hold it, for writing, too */
		if (mmap_read_trylock(mm)) {
			scan_mm(mm, &w);
			mmap_read_unlock(mm);
		}
		mmput_async(mm);
	}

	/* it is the pages that count there; RCU has them for a while */
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += w.freed;
	sc->nr_scanned = w.pmds ? sc->nr_to_scan - w.budget : sc->nr_to_scan;
	return sc->nr_scanned ? w.freed : SHRINK_STOP;
}

static struct shrinker pte_table_shrinker = {
	.count_objects = shrinker_count,
	.scan_objects = shrinker_scan,
	.seeks = DEFAULT_SEEKS,
	/* that its pages are charged as kernel memory is no condition: see memcg_of() */
	.flags = SHRINKER_MEMCG_AWARE | SHRINKER_NONSLAB,
};

static int __init pte_table_shrinker_init(void)
{
	return register_shrinker(&pte_table_shrinker, "pte-table");
}
subsys_initcall(pte_table_shrinker_init);
