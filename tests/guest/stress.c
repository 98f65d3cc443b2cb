// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, with every page checked: processes whose threads fault,
 * fork, advise, protect, move, unmap, lock and collapse, below a memory limit and
 * with swap, while orders, NUMA nodes, splits, compaction and KSM change under them.
 *
 * usage: stress [-s seed] [-m minutes] [-o operations] [-f]
 *
 * A thread's operations follow from the seed: with the same number of operations
 * (-o, in place of -m) it does the same again. In a guest with ICOUNT=1 SMP=2 (arm64)
 * all threads do it in the same order, too. -f: allocations fail.
 *
 * A page has one owner. The owner knows what must be in it, whatever is done to
 * the folio that it shares with other owners' pages.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/lib.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

#define PROCESSES	3
#define THREADS		3
#define PAGES		1024	/* of an area: two page tables */
#define SPACE		(3 * PAGES + 64)	/* for what moves, or grows */
#define SWAP_PAGES	(64 << 8)

static struct {
	uint64_t seed;
	unsigned long ops;
	time_t end;
	bool faults;
} opt = { .seed = 1, .ops = 150 };

/* What a page may contain. */
enum state {
	ZERO,	/* never written, or zapped */
	WRITTEN,
	FREED,	/* zero or as written */
};

struct page {
	uint32_t version;
	uint8_t state;
};

/*
 * An area belongs to one thread, who may do everything with it, or its pages
 * to all threads of the process in turn: then only what leaves contents alone is
 * done to more than one page.
 */
struct area {
	char *base;
	bool shared;
	unsigned int owner, owners;
	struct page pages[PAGES];
};

struct thread {
	pthread_t id;
	unsigned int nr;
	uint64_t rnd;
	unsigned long op;
	struct area own;
	char *space;
};

/*
 * Once all threads run, nobody maps memory but at a place that is its own: what one
 * of them leaves unmapped, also by a call that has failed halfway, no other is given.
 */
static pthread_barrier_t all_run;

static struct area common[THREADS];	/* the same memory, seen by each thread */
static __thread const char *what = "nothing";
static int self_fd;	/* a pidfd of the process */

static uint32_t next(struct thread *t, uint32_t below)
{
	t->rnd ^= t->rnd << 13;
	t->rnd ^= t->rnd >> 7;
	t->rnd ^= t->rnd << 17;
	return (t->rnd >> 32) % below;
}

static uint64_t *words_of(struct area *a, size_t page)
{
	return (uint64_t *)page_at(a->base, page);
}

static uint64_t word(struct area *a, size_t page, uint32_t version, size_t i)
{
	/* some are alike, for KSM */
	if (version % 8 == 0)
		return 1UL << 63 | i;
	return (uint64_t)version << 40 | (uint64_t)(a->owner & 15) << 36 |
	       (uint64_t)a->shared << 35 | page << 12 | i;
}

#define STRIDE 31	/* of the words looked at; the first and last are always */

static size_t next_word(size_t i)
{
	size_t last = page_size / 8 - 1;

	return i == last ? last + 1 : i + STRIDE < last ? i + STRIDE : last;
}

/* A page that is dropped while it is read is zero from some word on. */
static bool as_expected(struct area *a, size_t page)
{
	struct page *p = &a->pages[page];
	uint64_t *words = words_of(a, page);
	bool zero = p->state == ZERO;
	size_t i;

	for (i = 0; i < page_size / 8; i = next_word(i)) {
		uint64_t seen = __atomic_load_n(&words[i], __ATOMIC_RELAXED);

		if (p->state == FREED && !seen)
			zero = true;
		if (seen != (zero ? 0 : word(a, page, p->version, i)))
			return false;
	}
	return true;
}

static void __attribute__((noreturn)) wrong(struct thread *t, struct area *a, size_t page)
{
	struct page *p = &a->pages[page];
	uint64_t *words = words_of(a, page);

	printf("# wrong page %zu of %s area, thread %u of process %d, operation %lu (%s): state %d version %u, found %#llx %#llx ... %#llx\n",
	       page, a->shared ? "the shared" : "its own", t->nr, getpid(), t->op, what,
	       p->state, p->version, (unsigned long long)words[0],
	       (unsigned long long)words[STRIDE], (unsigned long long)words[page_size / 8 - 1]);
	fflush(stdout);
	_exit(3);
}

static void __attribute__((noreturn)) lost(struct thread *t, const char *call)
{
	printf("# wrong page after %s, thread %u of process %d, operation %lu\n", call, t->nr,
	       getpid(), t->op);
	fflush(stdout);
	_exit(3);
}

static void check(struct thread *t, struct area *a, size_t page)
{
	if (!as_expected(a, page))
		wrong(t, a, page);
}

/* The first word makes the page dirty: it is not dropped any more. */
static void write_page(struct thread *t, struct area *a, size_t page)
{
	struct page *p = &a->pages[page];
	uint64_t *words = words_of(a, page);
	size_t i;

	(void)t;
	p->version = (p->version + 1) & 0x7fffff;
	for (i = 0; i < page_size / 8; i = next_word(i))
		__atomic_store_n(&words[i], word(a, page, p->version, i), __ATOMIC_RELAXED);
	p->state = WRITTEN;
}

static bool mine(struct area *a, size_t page)
{
	return !a->shared || page % a->owners == a->owner;
}

static void each(struct thread *t, struct area *a, size_t from, size_t nr,
		 void (*op)(struct thread *, struct area *, size_t))
{
	size_t i;

	for (i = from; i < from + nr; i++)
		if (mine(a, i))
			op(t, a, i);
}

static void freed(struct thread *t, struct area *a, size_t page)
{
	(void)t;
	if (a->pages[page].state == WRITTEN)
		a->pages[page].state = FREED;
}

static void zapped(struct thread *t, struct area *a, size_t page)
{
	(void)t;
	a->pages[page].state = ZERO;
}

/* What there may be no memory for, or what may be busy or locked; nothing else. */
static void may_fail(struct thread *t, long ret, const char *call, int argument)
{
	if (ret >= 0 || errno == ENOMEM || errno == EAGAIN || errno == EBUSY ||
	    errno == EINVAL || errno == EINTR)
		return;
	printf("# wrong: %s %d: %s, thread %u of process %d, operation %lu\n",
	       call, argument, strerror(errno), t->nr, getpid(), t->op);
	fflush(stdout);
	_exit(3);
}

static void advise(struct thread *t, struct area *a, size_t from, size_t nr, int advice)
{
	long ret;

	do {
		ret = madvise(page_at(a->base, from), nr * page_size, advice);
	} while (ret && errno == EAGAIN);
	may_fail(t, ret, "madvise", advice);
}

/* The same, as another process would. */
static void advise_process(struct thread *t, struct area *a, size_t from, size_t nr)
{
	static const int advice[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE,
	};
	/* in two pieces */
	struct iovec iov[2] = {
		{ page_at(a->base, from), (nr + 1) / 2 * page_size },
		{ page_at(a->base, from + nr / 2 + 1), (nr - 1) / 2 * page_size },
	};
	int kind = advice[next(t, ARRAY_SIZE(advice))];

	may_fail(t, syscall(__NR_process_madvise, self_fd, iov, 1UL + (nr > 2), kind, 0UL),
		 "process_madvise", kind);
}

/* A child has all as it was, and what it writes stays its own. */
static void fork_and_check(struct thread *t, struct area *a, size_t from, size_t nr)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		each(t, a, from, nr, check);
		each(t, a, from, nr / 2, write_page);
		each(t, a, from, nr, check);
		if (t->rnd & 1)
			madvise(page_at(a->base, from), nr * page_size / 2 & -page_size, MADV_DONTNEED);
		_exit(0);
	}
	if (t->rnd & 2)
		each(t, a, from, nr, write_page);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return;
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	/* Killed for memory: main() looks whether that may be. */
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		printf("# wrong: signal %d killed a child of thread %u of process %d, operation %lu\n",
		       WTERMSIG(status), t->nr, getpid(), t->op);
		fflush(stdout);
		_exit(3);
	}
}

static void keep_space(struct thread *t)
{
	while (mmap(t->space, SPACE * page_size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		if (errno != ENOMEM)
			_exit(4);
}

/* Away and back by mremap: to an address with other low bits in between. */
static void move(struct thread *t, struct area *a, size_t from, size_t nr)
{
	char *home = page_at(a->base, from), *there = page_at(t->space, next(t, 1024));

	if (mremap(home, nr * page_size, nr * page_size,
		   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, there) == there)
		while (mremap(there, nr * page_size, nr * page_size,
			      MREMAP_MAYMOVE | MREMAP_FIXED, home) != home)
			if (errno != ENOMEM)
				_exit(4);
	keep_space(t);
}

static void protect(struct thread *t, struct area *a, size_t from, size_t nr)
{
	char *start = page_at(a->base, from);

	if (mprotect(start, nr * page_size, PROT_READ))
		return;
	each(t, a, from, nr, check);
	while (mprotect(start, nr * page_size, PROT_READ | PROT_WRITE))
		if (errno != ENOMEM)
			_exit(4);
}

/* Unmapped and mapped afresh. */
static void replace(struct area *a, size_t from, size_t nr)
{
	while (mmap(page_at(a->base, from), nr * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		if (errno != ENOMEM)
			_exit(4);
}

/* Through GUP, as another process would. */
static void copy_in(struct thread *t, struct area *a, size_t page)
{
	static __thread char buffer[65536];
	struct iovec local = { buffer, page_size };
	struct iovec remote = { page_at(a->base, page), page_size };

	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)page_size)
		return;
	check(t, a, page);
}

static void prefer_node(struct thread *t, struct area *a, size_t from, size_t nr, int node)
{
	unsigned long mask = 1UL << node;

	may_fail(t, syscall(__NR_mbind, page_at(a->base, from), nr * page_size, MPOL_PREFERRED,
			    &mask, 64UL, MPOL_MF_MOVE), "mbind to node", node);
}

/* By turns to both nodes, also pages of one folio. */
static void move_pages(struct thread *t, struct area *a, size_t from, size_t nr)
{
	void *pages[64];
	int nodes[64], status[64];
	size_t i;

	if (nr > ARRAY_SIZE(pages))
		nr = ARRAY_SIZE(pages);
	for (i = 0; i < nr; i++) {
		pages[i] = page_at(a->base, from + i);
		nodes[i] = i / 5 % 2;
	}
	may_fail(t, syscall(__NR_move_pages, 0, nr, pages, nodes, status, MPOL_MF_MOVE),
		 "move_pages", nr);
}

/* Memory that is used, grows, shrinks and goes. */
static void resize(struct thread *t)
{
	size_t nr = 2 + next(t, next(t, 4) ? 40 : PAGES), offset = next(t, 1024);
	size_t more = nr + next(t, nr), less = 1 + next(t, nr - 1);
	char *vma = page_at(t->space, offset);
	uint32_t tag = t->rnd & 0xffffff;

	if (mprotect(vma, nr * page_size, PROT_READ | PROT_WRITE))
		return;
	fill(vma, nr, tag);
	munmap(page_at(vma, nr), (SPACE - offset - nr) * page_size);
	if (mremap(vma, nr * page_size, more * page_size, 0) == vma) {
		if (!holds(vma, nr, tag))
			lost(t, "mremap that grows");
		fill(page_at(vma, nr), more - nr, tag + 1);
		nr = more;
	}
	if (mremap(vma, nr * page_size, less * page_size, 0) == vma && !holds(vma, less, tag))
		lost(t, "mremap that shrinks");
	keep_space(t);
}

static void keep_contents(struct thread *t, struct area *a, size_t from, size_t nr)
{
	static const int advice[] = {
		MADV_COLD, MADV_PAGEOUT, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_WILLNEED, MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_COLLAPSE,
	};
	uint32_t kind = next(t, ARRAY_SIZE(advice) + 6);
	char *start = page_at(a->base, from);

	if (kind < ARRAY_SIZE(advice))
		advise(t, a, from, nr, advice[kind]);
	else if (kind == ARRAY_SIZE(advice))
		may_fail(t, mlock(start, nr * page_size), "mlock", nr);
	else if (kind == ARRAY_SIZE(advice) + 1)
		may_fail(t, munlock(start, nr * page_size), "munlock", nr);
	else if (kind == ARRAY_SIZE(advice) + 2)
		move_pages(t, a, from, nr);
	else if (kind == ARRAY_SIZE(advice) + 3)
		advise_process(t, a, from, nr);
	else
		prefer_node(t, a, from, nr, next(t, 2));
}

static void one_operation(struct thread *t)
{
	struct area *a = next(t, 2) ? &t->own : &common[t->nr];
	size_t from = next(t, PAGES), nr = 1 + next(t, next(t, 4) ? 40 : PAGES);
	uint32_t kind = next(t, 17);

	if (from + nr > PAGES)
		nr = PAGES - from;
	each(t, a, from, nr, check);
	if (kind < 5) {
		what = "write";
		each(t, a, from, nr, write_page);
	} else if (kind < 9) {
		what = "advice";
		keep_contents(t, a, from, nr);
	} else if (kind == 9) {
		what = "fork";
		fork_and_check(t, a, from, nr);
	} else if (kind == 10) {
		what = "read by GUP";
		if (mine(a, from))
			copy_in(t, a, from);
	} else if (kind < 13) {
		/* one page of the shared area, or many of its own */
		bool free = kind == 11, locked = !free && next(t, 2);

		what = free ? "MADV_FREE" : "MADV_DONTNEED";
		if (a->shared) {
			from -= from % a->owners;
			from += a->owner;
			nr = 1;
			if (from >= PAGES)
				return;
		}
		/* locked memory is an error, found after what lies before it is gone */
		if (!locked)
			munlock(page_at(a->base, from), nr * page_size);
		if (madvise(page_at(a->base, from), nr * page_size,
			    free ? MADV_FREE : locked ? MADV_DONTNEED_LOCKED : MADV_DONTNEED) || free)
			each(t, a, from, nr, freed);
		else
			each(t, a, from, nr, zapped);
	} else if (kind == 16) {
		what = "resize";
		resize(t);
	} else if (a->shared) {
		return;
	} else if (kind == 13) {
		what = "mremap";
		move(t, a, from, nr);
	} else if (kind == 14) {
		what = "mprotect";
		protect(t, a, from, nr);
	} else {
		what = "mmap";
		replace(a, from, nr);
		each(t, a, from, nr, zapped);
	}
	each(t, a, from, nr, check);
}

static void *run_thread(void *arg)
{
	struct thread *t = arg;

	pthread_barrier_wait(&all_run);
	if (opt.faults)
		fail_me(true);
	for (t->op = 0; opt.end ? time(NULL) < opt.end : t->op < opt.ops; t->op++)
		one_operation(t);
	each(t, &t->own, 0, PAGES, check);
	each(t, &common[t->nr], 0, PAGES, check);
	if (opt.faults)
		fail_me(false);
	return NULL;
}

static int run_process(unsigned int nr)
{
	static struct thread threads[THREADS];
	char *base = map_new(PAGES);
	unsigned int i;

	self_fd = syscall(__NR_pidfd_open, getpid(), 0);
	pthread_barrier_init(&all_run, NULL, THREADS);
	for (i = 0; i < THREADS; i++) {
		struct thread *t = &threads[i];

		common[i].base = base;
		common[i].shared = true;
		common[i].owner = i;
		common[i].owners = THREADS;
		t->nr = i;
		t->own.base = map_new(PAGES);
		t->own.owner = i;
		t->space = reserve(SPACE);
		t->rnd = (opt.seed * 64 + nr * 8 + i + 1) * 0x9e3779b97f4a7c15;
		next(t, 2);
	}
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i].id, NULL, run_thread, &threads[i]);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	return 0;
}

/* What changes under the processes. Each may fail; none may do harm. */
static void disturb(struct thread *t, const pid_t *pids)
{
	static const char * const modes[] = { "always", "inherit", "madvise", "never" };
	static const char * const reclaim_modes[] = { "0", "1", "2", "3" };
	char text[64];

	switch (next(t, 11)) {
	case 0:
	case 1:
	case 2:
		size_mode(MIN_ORDER + next(t, pmd_order - MIN_ORDER + 1), modes[next(t, 4)]);
		break;
	case 3:
		write_file("/proc/sys/vm/compact_memory", "1");
		break;
	case 4:
		write_file("/proc/sys/vm/drop_caches", "3");
		break;
	case 5:
		snprintf(text, sizeof(text), "%d,0,0x%lx", pids[next(t, PROCESSES)],
			 (1UL << 47) - 4096);
		write_file("/sys/kernel/debug/split_huge_pages", text);
		break;
	case 6:
		cgroup_set("memory.reclaim", "4M");
		break;
	case 7:
		snprintf(text, sizeof(text), "%uM", 12 + next(t, 24));
		cgroup_set("memory.high", text);
		break;
	case 8:
		for (int from = 0; from < 2; from++) {
			unsigned long old = 1UL << from, new = 2UL >> from;

			syscall(__NR_migrate_pages, pids[next(t, PROCESSES)], 64UL, &old, &new);
		}
		break;
	case 9:
		reclaim_mode(reclaim_modes[next(t, 4)]);
		break;
	case 10:
		reclaim_tables_of(pids[next(t, PROCESSES)], "1");
		break;
	}
}

/* The guests have all that is needed: who runs without it tests something else. */
static void needs(bool there, const char *name)
{
	if (there)
		return;
	printf("Bail out! %s cannot be set up\n", name);
	settings_restore(0);
	swap_off();
	cgroup_remove();
	exit(1);
}

static void __attribute__((noreturn)) usage(const char *argument)
{
	fprintf(stderr, "stress: %s: not understood\n"
			"usage: stress [-s seed] [-m minutes] [-o operations] [-f]\n"
			"the same -s and -o repeat what each thread does, in a guest with\n"
			"ICOUNT=1 SMP=2 also in which order; -f: allocations fail\n", argument);
	exit(2);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 0);

	if (!*text || *end)
		usage(text);
	return n;
}

int main(int argc, char **argv)
{
	struct thread self = { };
	pid_t pids[PROCESSES];
	struct counters before;
	unsigned int i, running = PROCESSES, killed = 0;
	bool ok = true;
	int c, status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt(argc, argv, "s:m:o:f")) != -1) {
		switch (c) {
		case 's':
			opt.seed = number(optarg);
			break;
		case 'm':
			opt.end = time(NULL) + 60 * number(optarg);
			break;
		case 'o':
			opt.ops = number(optarg);
			break;
		case 'f':
			opt.faults = true;
			break;
		default:
			usage(argv[optind - 1]);
		}
	}
	if (optind < argc)
		usage(argv[optind]);

	policy_init();
	settings_init();
	printf("TAP version 13\n1..1\n# seed %llu\n", (unsigned long long)opt.seed);
	enable_orders(large_orders());
	setting("/sys/kernel/mm/ksm/run", "1");
	setting("/sys/kernel/mm/ksm/sleep_millisecs", "20");
	setting("/sys/kernel/mm/lru_gen/enabled", opt.seed & 1 ? "y" : "n");
	setting("/proc/sys/kernel/numa_balancing", "1");
	setting(THP "khugepaged/scan_sleep_millisecs", "50");
	if (opt.faults) {
		needs(!fail_from(0, 2), "-f: fail_page_alloc");
		needs(!slab_fail(2), "-f: failslab");
	}
	counters_read(&before);
	needs(swap_on(SWAP_PAGES), "swap");
	needs(cgroup_create(), "the cgroup");
	needs(!cgroup_set("memory.max", "64M"), "the limit of the cgroup");

	for (i = 0; i < PROCESSES; i++) {
		pids[i] = child();
		if (!pids[i]) {
			if (!cgroup_enter()) {
				printf("# wrong: process %d is outside of the cgroup\n", getpid());
				_exit(3);
			}
			_exit(run_process(i));
		}
	}
	self.rnd = (opt.seed * 64 + 63) * 0x9e3779b97f4a7c15;
	while (running) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid > 0) {
			running--;
			/* without memory to be had the kernel may kill */
			if (opt.faults && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
				killed++;
			} else if (status) {
				printf("# process %d ended with status %#x\n", pid, status);
				ok = false;
			}
			continue;
		}
		disturb(&self, pids);
		usleep(20000);
	}
	settings_restore(0);
	if (killed)
		printf("# %u processes were killed\n", killed);
	swap_off();
	if (cgroup_leak())
		ok = false;
	cgroup_remove();
	/* or one of their children was */
	if (opt.faults) {
		struct counters now;

		counters_read(&now);
		before.value[COUNTER_OOM_KILL] = now.value[COUNTER_OOM_KILL];
	}
	if (!counters_back(&before, 60))
		ok = false;
	printf("%sok 1 stress, seed %llu\n", ok ? "" : "not ", (unsigned long long)opt.seed);
	return !ok;
}
