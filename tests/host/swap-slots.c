// SPDX-License-Identifier: GPL-2.0
/*
 * The tree's own folio_alloc_swap(), compiled for the host: of every folio size
 * only one page and the PMD size may ask get_swap_pages() for slots. In a guest
 * this cannot be seen, because vmscan splits all other folios before.
 */
#include <stdbool.h>
#include <stdio.h>

#define PMD_ORDER		9
#define CONFIG_THP_SWAP		1
#define IS_ENABLED(option)	(option)
#define likely(x)		(x)

typedef struct { unsigned long val; } swp_entry_t;
struct mutex { int unused; };
struct folio { unsigned int order; };
struct swap_slots_cache {
	struct mutex alloc_lock;
	swp_entry_t *slots;
	int cur, nr;
};

/* No per-cpu cache, so that order 0 asks the allocator as well. */
static struct swap_slots_cache swp_slots;
static int asked;

static bool folio_test_large(struct folio *folio) { return folio->order > 0; }
static long folio_nr_pages(struct folio *folio) { return 1L << folio->order; }
static unsigned int folio_order(struct folio *folio) { return folio->order; }
static bool folio_test_pmd_mappable(struct folio *folio) { return folio_order(folio) >= PMD_ORDER; }
static bool arch_thp_swp_supported(void) { return true; }
static struct swap_slots_cache *raw_cpu_ptr(struct swap_slots_cache *cache) { return cache; }
static bool check_cache_active(void) { return false; }
static int refill_swap_slots_cache(struct swap_slots_cache *cache) { return cache->nr; }
static void mutex_lock(struct mutex *lock) { lock->unused++; }
static void mutex_unlock(struct mutex *lock) { lock->unused--; }
static int mem_cgroup_try_charge_swap(struct folio *folio, swp_entry_t entry) { return 0; }
static void put_swap_folio(struct folio *folio, swp_entry_t entry) { }

static int get_swap_pages(int n, swp_entry_t *entries, int size)
{
	asked = size;
	entries[0].val = 1;
	return n;
}

#include "folio_alloc_swap.inc"

int main(void)
{
	unsigned int order;
	int failed = 0;

	printf("TAP version 13\n1..%d\n", PMD_ORDER);
	for (order = 0; order <= PMD_ORDER; order++) {
		struct folio folio = { .order = order };
		bool known = order == 0 || order == PMD_ORDER;
		swp_entry_t entry;

		if (order == 1)		/* no such folio */
			continue;
		asked = 0;
		entry = folio_alloc_swap(&folio);
		if (!!entry.val != known || asked != (known ? folio_nr_pages(&folio) : 0)) {
			printf("not ");
			failed = 1;
		}
		printf("ok order %u: slots wanted %ld, asked for %d, entry %lu\n",
		       order, known ? folio_nr_pages(&folio) : 0, asked, entry.val);
	}
	return failed;
}
