/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest tests share. A file that the running kernel lacks is never an
 * error by itself: on a stock kernel a test has to get as far as its assertion
 * about the order.
 */
#ifndef LIB_H
#define LIB_H

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

extern size_t page_size;
extern int pmd_order;

/* settings.c: files that are put back when the test is over */
#define THP "/sys/kernel/mm/transparent_hugepage/"
void settings_init(void);
int read_file(const char *path, char *buf, size_t size);
void read_all(const char *path);		/* and forget it */
int write_file(const char *path, const char *value);
int setting(const char *path, const char *value);
int settings_mark(void);
void settings_restore(int mark);

/* policy.c: the sizes; an order set is a mask of bits */
#define MIN_ORDER	2	/* order 1 has no room for the deferred list */
#define ORDER(o)	(1U << (o))
#define PMD		((size_t)ORDER(pmd_order))	/* in pages */
#define DEFAULT_ORDERS	(ORDER(2) | ORDER(3) | ORDER(4))
#define NO_HUGE "this test wants CONFIG_TRANSPARENT_HUGEPAGE"
void policy_init(void);
bool huge_here(void);
bool mte_on(void);
const char *size_file(int order, const char *name);
int size_mode(int order, const char *mode);
void thp_mode(const char *mode);
void enable_orders(unsigned int orders);	/* the rest: never */
unsigned int large_orders(void);		/* all below PMD order */
#define MAX_ORDER	9	/* PMD order with 4K pages */
struct size_stats {	/* by order */
	unsigned long alloc[MAX_ORDER + 1];
	unsigned long fallback[MAX_ORDER + 1];
	unsigned long charge[MAX_ORDER + 1];
};
void size_stats(struct size_stats *s);
void size_stats_since(struct size_stats *s);	/* now minus @s */

/* folio.c: memory under test and the folios behind it, as /proc shows them */
#define KPF_UPTODATE		3
#define KPF_BUDDY		10
#define KPF_COMPOUND_HEAD	15
#define KPF_COMPOUND_TAIL	16
#define KPF_UNEVICTABLE		18
#define KPF_HWPOISON		19
#define KPF_THP			22
#define KPF_ZERO_PAGE		24
#define KPF_MLOCKED		33
#define KPF_ARCH		38
char *reserve(size_t pages);			/* PMD-aligned address space */
char *map(void *at, size_t pages);		/* private, anonymous, RW */
char *map_new(size_t pages);			/* both */
char *map_small(size_t pages);			/* no folio, no huge page */
char *map_small_at(char *at, size_t pages);
char *page_at(const void *base, size_t n);
void touch(void *page);
uint64_t pfn_of(const void *addr);		/* 0: not present */
void pfns_of(const void *addr, size_t pages, uint64_t *pfns);
bool soft_dirty(const void *addr);
bool pfn_flag(uint64_t pfn, int kpf);
bool page_flag(const void *addr, int kpf);
bool folio_flag(const void *addr, int kpf);	/* of the folio's first page */
int folio_order(const void *addr);		/* -1: not present */
int mapped_order(const void *addr);		/* and mapped aligned and whole */
size_t present(const void *addr, size_t pages);
bool page_out(void *addr, size_t pages);
bool collapse(void *addr);
int punch(int fd, size_t from, size_t pages);	/* a hole into a file */

/* content.c */
void fill(void *addr, size_t pages, uint32_t tag);
bool holds(const void *addr, size_t pages, uint32_t tag);
void fill_pages(void *vma, size_t from, size_t to, uint32_t tag);
bool pages_hold(const void *vma, size_t from, size_t to, uint32_t tag);
bool zeroed(const void *addr, size_t pages);
void seed_random(uint64_t seed);
uint32_t rnd(uint32_t below);

/* counters.c */
#define COUNTER_OOM_KILL 10
#define NR_COUNTERS	14
struct counters {
	long value[NR_COUNTERS];
};
void drain(void);	/* per-CPU LRU batches and statistics */
void counters_read(struct counters *c);
bool counters_back(const struct counters *before, int tries);
/* The number behind @name, or the only one; -1: not there */
long number_in(const char *path, const char *name);
long vmstat(const char *name);
long meminfo(const char *name);					/* kB */
long smaps(const void *addr, size_t pages, const char *field);	/* kB */
long rss_anon(void);		/* kB, as the mm counts it */
long minor_faults(void);
long page_tables(void);		/* of all processes, until RCU has freed them */
bool page_tables_back(long wanted);

/* pte_table.c */
#define NO_RECLAIM "this test wants CONFIG_FREE_USER_PTE, and tables that are freed"
struct tables {
	long vm;	/* of this process */
	long empty, inplace, shrinker, refilled;
};
int reclaim_mode(const char *mode);
bool reclaim_begin(const char *mode);
long tables_of(pid_t pid);
void tables_read(struct tables *t);
struct tables tables_since(const struct tables *was);	/* now minus @was */
void shrink(void);
void shrink_tables(void);
int reclaim_tables_of(pid_t pid, const char *text);
void tables_keep_upper(const void *addr);
long tables_without_entries(void);
bool late_begin(pid_t tid);
long late_end(void);

/* process.c */
pid_t child(void);		/* fork; the child dies with its parent */
bool child_ok(pid_t pid);	/* waits; true when it exited with 0 */
pid_t kernel_thread(const char *name);	/* 0: there is none */
void pin_cpu(int cpu);
double seconds(void);		/* on a clock that only goes forward */

/* actor.c: somebody who does the same again and again, until he is stopped */
struct actor {
	void (*act)(struct actor *a);
	char *vma;
	int fd;
	void *data;
	pthread_t thread;
	pid_t tid;		/* 0: has not begun */
	bool stop;
	unsigned long rounds;
	unsigned long wrong;
	unsigned long effects;	/* how often it has come to what it is for */
	uint32_t random;
};
extern bool longer;		/* -l: sizes for a soak */
uint32_t any(struct actor *a, uint32_t below);
void actors_start(struct actor *actors, size_t nr);
void actors_stop(struct actor *actors, size_t nr);
double after(double short_time);
void act_for(struct actor *actors, size_t nr, double time);

/* uffd.c */
int uffd_open(uint64_t features);
struct uffdio_range uffd_range(const void *vma, size_t pages);
int uffd_register(int fd, const void *vma, size_t pages, uint64_t mode);
int uffd_unregister(int fd, const void *vma, size_t pages);
int write_protect(int fd, const void *vma, size_t pages, bool on);

/* node.c */
bool two_nodes(void);		/* a guest with NUMA=2 */
int balance_often(void);	/* between them */
int bind_to(void *addr, size_t pages, int node, unsigned int flags);
int node_of(void *addr);	/* of the page there, or -errno */
size_t on_node(void *addr, size_t pages, int node);	/* how many of them */

/* fail.c */
int fail_from(int min_order, int percent);
int slab_fail(int percent);
void fail_me(bool on);

/* idle.c */
bool set_idle(uint64_t pfn);
bool is_idle(uint64_t pfn);

/* poison.c */
int hold(void *page);		/* a reference, until the file is closed */
int poison(void *addr, size_t pages);
int poison_pfn(uint64_t pfn);
bool unpoison(uint64_t pfn);
bool bad(void *addr);	/* reading it is a bus error */
bool bad_to_write(void *addr);

/* pin.c */
int pin_longterm(void *addr, size_t pages);	/* until the file is closed */

/* hits.c: how often the kernel came to a function in between */
bool hits_begin(const char *function);
long hits_end(const char *function);		/* -1: not counted */

/* swap.c */
bool swap_on(size_t pages);
bool swap_off(void);

/* cgroup.c: one cgroup, below the root */
#define NO_CGROUP "this test wants memory cgroups"
bool cgroup_here(void);
bool cgroup_create(void);
bool cgroup_enter(void);
void cgroup_remove(void);
int cgroup_set(const char *file, const char *value);
long cgroup_get(const char *file, const char *key); /* NULL: the only value */
long cgroup_leak(void);	/* pages that its dead processes left behind */
bool cgroup_stat_back(void);	/* and that its statistics have left */

#endif
