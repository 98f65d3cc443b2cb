// SPDX-License-Identifier: GPL-2.0
/*
 * A guest with MTE=1: the tags of each page of a large folio stay its own, in
 * all that takes folios apart or moves them. Only a part of the folio has tags;
 * the rest must not get any from a neighbour or from an earlier owner.
 */
#include <setjmp.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "lib/fixture.h"

#ifdef __aarch64__
#define PROT_MTE	0x20
#ifndef SEGV_MTESERR
#define SEGV_MTESERR	9
#endif
#define KPF_ARCH_2	41	/* arm64: the page has tags */
#define GRANULE		16
#define SOME_ORDERS	(ORDER(2) | ORDER(4) | ORDER(6))

static void store_tag(char *p)
{
	asm volatile(".arch armv8.5-a+memtag\n\tstg %0, [%0]" : : "r" (p) : "memory");
}

static char *load_tag(char *p)
{
	asm volatile(".arch armv8.5-a+memtag\n\tldg %0, [%0]" : "+r" (p) : : "memory");
	return p;
}

static char *with_tag(char *p, unsigned int tag)
{
	return (char *)((uintptr_t)p | (uintptr_t)tag << 56);
}

/*
 * The first and the last granule of page @i have tags of its own. No others are
 * looked at: QEMU before 8.0 has two tags a page, for even and for odd granules.
 */
static unsigned int tag_of(size_t i)
{
	return 1 + i % 14;
}

static unsigned int last_tag_of(size_t i)
{
	return 1 + (i + 5) % 14;
}

static char *last_granule(char *vma, size_t i)
{
	return page_at(vma, i + 1) - GRANULE;
}

static sigjmp_buf trapped;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	siglongjmp(trapped, info->si_code == SEGV_MTESERR ? 1 : 2);
}

/* Does an access with the tag of @p trap? Only here are tags checked. */
static bool traps(char *p)
{
	struct sigaction old, new = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };
	int code;

	sigaction(SIGSEGV, &new, &old);
	code = sigsetjmp(trapped, 1);
	if (!code) {
		prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE | PR_MTE_TCF_SYNC |
		      0xfffe << PR_MTE_TAG_SHIFT, 0, 0, 0);
		(void)*(volatile char *)p;
	}
	prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0);
	sigaction(SIGSEGV, &old, NULL);
	if (code == 2)
		printf("# a fault that is not about tags\n");
	return code == 1;
}

/* Gives pages back whose every granule has a tag: the next owner must not see it. */
static void leave_tags(size_t pages)
{
	char *vma = reserve(pages), *p;

	vma = mmap(vma, pages * page_size, PROT_READ | PROT_WRITE | PROT_MTE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (p = vma; p < page_at(vma, pages); p += GRANULE)
		store_tag(with_tag(p, 15));
	munmap(vma, pages * page_size);
}

/* Part [from, to) of a mapping of large folios has tags. */
struct part {
	char *vma;
	size_t pages, from, to;
	int order;
};

static char *page_of(const struct part *part, size_t i)
{
	return page_at(part->vma, i);
}

static void protect_mte(struct __test_metadata *_metadata, char *vma, size_t pages)
{
	ASSERT_EQ(0, mprotect(vma, pages * page_size, PROT_READ | PROT_WRITE | PROT_MTE));
}

/* The pages that have tags are those of the part. */
static void check_flags(struct __test_metadata *_metadata, const struct part *part)
{
	size_t i, wrong = 0;

	for (i = 0; i < part->pages; i++) {
		bool inside = i >= part->from && i < part->to;

		if (!pfn_of(page_of(part, i)) || page_flag(page_of(part, i), KPF_ARCH_2) == inside)
			continue;
		if (!wrong++)
			TH_LOG("order %d, tags in [%zu, %zu): page %zu has %s", part->order,
			       part->from, part->to, i, inside ? "none" : "some");
	}
	EXPECT_EQ(0, wrong);
}

static void check_tags(struct __test_metadata *_metadata, const struct part *part)
{
	size_t i, wrong = 0;

	for (i = part->from; i < part->to; i++) {
		char *first = page_of(part, i), *last = last_granule(part->vma, i);

		if (load_tag(first) == with_tag(first, tag_of(i)) &&
		    load_tag(last) == with_tag(last, last_tag_of(i)))
			continue;
		if (!wrong++)
			TH_LOG("order %d, tags in [%zu, %zu): page %zu, wanted %u %u, found %p %p",
			       part->order, part->from, part->to, i, tag_of(i), last_tag_of(i),
			       load_tag(first), load_tag(last));
	}
	EXPECT_EQ(0, wrong);
	for (i = part->from; i < part->to; i += part->to - part->from - 1 ?: 1) {
		char *first = page_of(part, i), *last = last_granule(part->vma, i);

		EXPECT_FALSE(traps(with_tag(first, tag_of(i))));
		EXPECT_FALSE(traps(with_tag(last, last_tag_of(i))));
		EXPECT_TRUE(traps(with_tag(first, tag_of(i) + 1)));
		EXPECT_TRUE(traps(first));
		EXPECT_TRUE(traps(last));
	}
	EXPECT_TRUE(holds(part->vma, part->pages, part->order));
}

/* What has had no tags so far has only zero ones. */
static void check_rest(struct __test_metadata *_metadata, const struct part *part)
{
	size_t i, wrong = 0;
	char *p;

	protect_mte(_metadata, part->vma, part->pages);
	for (i = 0; i < part->pages; i++) {
		if (i == part->from)
			i = part->to;
		if (i == part->pages)
			break;
		for (p = page_of(part, i); p < page_of(part, i + 1); p += GRANULE)
			wrong += load_tag(p) != p;
	}
	EXPECT_EQ(0, wrong) {
		TH_LOG("order %d, tags in [%zu, %zu): others have them, too", part->order,
		       part->from, part->to);
	}
}

static void make(struct __test_metadata *_metadata, struct part *part)
{
	size_t i;

	leave_tags(part->pages);
	enable_orders(ORDER(part->order));
	part->vma = map_new(part->pages);
	fill(part->vma, part->pages, part->order);
	ASSERT_ORDER(part->order, part->vma);
	protect_mte(_metadata, page_of(part, part->from), part->to - part->from);
	for (i = part->from; i < part->to; i++) {
		store_tag(with_tag(page_of(part, i), tag_of(i)));
		store_tag(with_tag(last_granule(part->vma, i), last_tag_of(i)));
	}
	EXPECT_ORDER(part->order, part->vma);
	check_flags(_metadata, part);
	check_tags(_metadata, part);
}

/*
 * @action with tags in the head only, in all but the head, in the middle, and
 * from the middle of a folio to that of another; for @orders.
 */
static void each_part(struct __test_metadata *_metadata, unsigned int orders,
		      void (*action)(struct __test_metadata *_metadata, struct part *part))
{
	int order, i;

	ASSERT_TRUE(mte_on()) {
		TH_LOG("this test wants a guest with MTE=1");
	}
	for (order = MIN_ORDER; order < pmd_order; order++) {
		size_t n = ORDER(order);
		size_t limits[][2] = {
			{ 0, 1 }, { 1, n }, { n / 4, n / 2 }, { n / 2, n + n / 2 },
		};

		if (!(orders & ORDER(order)))
			continue;
		for (i = 0; i < ARRAY_SIZE(limits); i++) {
			struct part part = {
				.pages = 2 * n, .order = order,
				.from = limits[i][0], .to = limits[i][1],
			};

			make(_metadata, &part);
			action(_metadata, &part);
			check_flags(_metadata, &part);
			check_tags(_metadata, &part);
			check_rest(_metadata, &part);
			munmap(part.vma, part.pages * page_size);
		}
	}
}

static void split(struct __test_metadata *_metadata, struct part *part)
{
	char text[96];

	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(), (long)part->vma,
		 (long)page_of(part, part->pages));
	write_file("/sys/kernel/debug/split_huge_pages", text);
	EXPECT_ORDER(0, part->vma);
	EXPECT_ORDER(0, page_of(part, part->pages - 1));
}

TEST_F(laf, split)
{
	each_part(_metadata, large_orders(), split);
}

/* The folio is split since the range has a part of it. */
static void free_part(struct __test_metadata *_metadata, struct part *part)
{
	size_t n = ORDER(part->order);

	ASSERT_EQ(0, madvise(page_of(part, n - 2), page_size, MADV_FREE));
	EXPECT_ORDER(0, part->vma);
	EXPECT_ORDER(0, page_of(part, n - 1));
}

TEST_F(laf, free)
{
	each_part(_metadata, SOME_ORDERS, free_part);
}

static void protect_again(struct __test_metadata *_metadata, struct part *part)
{
	ASSERT_EQ(0, mprotect(page_of(part, part->from), page_size, PROT_READ | PROT_MTE));
	protect_mte(_metadata, page_of(part, part->from), 1);
}

TEST_F(laf, protect)
{
	each_part(_metadata, SOME_ORDERS, protect_again);
}

/* Both write to each page, while the folio is shared; then the child is gone. */
static void fork_and_copy(struct __test_metadata *_metadata, struct part *part)
{
	pid_t pid = child();

	if (!pid) {
		check_tags(_metadata, part);
		fill(part->vma, part->pages, part->order);
		EXPECT_ORDER(0, page_of(part, part->from));
		check_flags(_metadata, part);
		check_tags(_metadata, part);
		raise(SIGSTOP);
		check_tags(_metadata, part);
		_exit(!_metadata->passed);
	}
	waitpid(pid, NULL, WUNTRACED);
	fill(part->vma, part->order == 4 ? part->pages : 3, part->order);
	check_flags(_metadata, part);
	check_tags(_metadata, part);
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	fill(part->vma, part->pages, part->order);
}

TEST_F(laf, fork)
{
	each_part(_metadata, SOME_ORDERS, fork_and_copy);
}

/* A child that shares the folio gets tags for pages that have had none. */
static void tags_in_child(struct __test_metadata *_metadata, struct part *part)
{
	pid_t pid = child();

	if (!pid) {
		check_rest(_metadata, part);
		check_tags(_metadata, part);
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	check_tags(_metadata, part);
	/* the shared pages have all got tags; copies of their own have none */
	munmap(part->vma, part->pages * page_size);
	make(_metadata, part);
}

TEST_F(laf, child)
{
	each_part(_metadata, DEFAULT_ORDERS, tags_in_child);
}

static void swap(struct __test_metadata *_metadata, struct part *part)
{
	long want = part->pages * page_size >> 10, restored;
	int try;

	HITS_BEGIN("mte_restore_tags");
	for (try = 0; try < 10 && smaps(part->vma, part->pages, "Swap") < want; try++) {
		drain();
		ASSERT_EQ(0, madvise(part->vma, part->pages * page_size, MADV_PAGEOUT));
	}
	EXPECT_EQ(want, smaps(part->vma, part->pages, "Swap"));
	EXPECT_TRUE(holds(part->vma, part->pages, part->order));
	/* by arch_swap_restore(), for each page of its own */
	restored = hits_end("mte_restore_tags");
	TH_LOG("mte_restore_tags: %ld hits for %zu pages", restored, part->pages);
	EXPECT_LE((long)part->pages, restored);
}

TEST_F(laf, swap)
{
	ASSERT_TRUE(swap_on(8192));
	each_part(_metadata, SOME_ORDERS, swap);
}

/* Swapped out while two have it, and back in to both. */
static void swap_shared(struct __test_metadata *_metadata, struct part *part)
{
	pid_t pid = child();

	if (!pid) {
		raise(SIGSTOP);
		check_tags(_metadata, part);
		_exit(!_metadata->passed);
	}
	waitpid(pid, NULL, WUNTRACED);
	fill(part->vma, 1, part->order);
	madvise(part->vma, part->pages * page_size, MADV_PAGEOUT);
	cgroup_set("memory.reclaim", "8M");
	check_tags(_metadata, part);
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
}

TEST_F(laf, swap_shared)
{
	pid_t pid;

	ASSERT_TRUE(swap_on(8192));
	ASSERT_TRUE(cgroup_create());
	pid = child();
	if (!pid) {
		ASSERT_TRUE(cgroup_enter());
		each_part(_metadata, DEFAULT_ORDERS, swap_shared);
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
}

/* The whole folio moves by its head, and so do pages without tags. */
static void migrate(struct __test_metadata *_metadata, struct part *part)
{
	void *pages[2] = { page_of(part, 0), page_of(part, ORDER(part->order)) };
	int from = node_of(part->vma), nodes[2] = { !from, !from }, status[2];
	long copied;

	HITS_BEGIN("copy_highpage");
	ASSERT_EQ(0, syscall(__NR_move_pages, 0, 2UL, pages, nodes, status, MPOL_MF_MOVE)) {
		TH_LOG("this test wants a guest with NUMA=2");
	}
	copied = hits_end("copy_highpage");
	TH_LOG("copy_highpage: %ld hits for %zu pages", copied, part->pages);
	EXPECT_LE((long)part->pages, copied);
	EXPECT_EQ(!from, node_of(page_of(part, part->from)));
	EXPECT_EQ(part->order, folio_order(part->vma));
	check_flags(_metadata, part);
	check_tags(_metadata, part);
	EXPECT_EQ(0, bind_to(part->vma, part->pages, from, MPOL_MF_MOVE));
	EXPECT_EQ(from, node_of(page_of(part, part->to - 1)));
}

TEST_F(laf, migrate)
{
	pin_cpu(0);
	each_part(_metadata, SOME_ORDERS, migrate);
}

/* Born with PROT_MTE: large, and all tags zero. */
TEST_F(laf, born)
{
	int order;

	ASSERT_TRUE(mte_on());
	for (order = MIN_ORDER; order < pmd_order; order++) {
		struct part all = { .pages = 2 << order, .order = order, .to = 2 << order };
		size_t wrong = 0, i;
		char *p;

		leave_tags(all.pages);
		enable_orders(ORDER(order));
		all.vma = map_new(all.pages);
		protect_mte(_metadata, all.vma, all.pages);
		for (i = 0; i < all.pages; i++)
			touch(page_of(&all, i));
		ASSERT_ORDER(order, all.vma);
		EXPECT_TRUE(zeroed(all.vma, all.pages));
		check_flags(_metadata, &all);
		for (p = all.vma; p < page_at(all.vma, all.pages); p += GRANULE)
			wrong += load_tag(p) != p;
		EXPECT_EQ(0, wrong);
		EXPECT_FALSE(traps(all.vma));
		EXPECT_TRUE(traps(with_tag(page_of(&all, 3), 1)));
		munmap(all.vma, all.pages * page_size);
	}
}

/* A huge page: one entry, and tags of all its pages. */
TEST_F(stock, huge_born)
{
	size_t wrong = 0, tagged = 0, i;
	char *vma = map_new(PMD);

	ASSERT_TRUE(mte_on());
	leave_tags(PMD);
	thp_mode("always");
	enable_orders(ORDER(pmd_order));
	protect_mte(_metadata, vma, PMD);
	touch(vma);
	if (folio_order(vma) != pmd_order)
		SKIP(return, "no huge page");
	for (i = 0; i < PMD; i++) {
		char *page = page_at(vma, i);

		tagged += page_flag(page, KPF_ARCH_2);
		wrong += load_tag(page) != page;
	}
	EXPECT_EQ(PMD, tagged);
	EXPECT_EQ(0, wrong);
}

/*
 * Two processes get PROT_MTE for the same shared page at the same time: what the
 * faster one stores is not cleared again by the slower one.
 */
TEST_F(stock, first_tags)
{
	size_t pages = 4096, i, lost = 0;
	struct shared {
		size_t turn[2];
	} *shared;
	char *vma;
	pid_t pid;
	int me;

	ASSERT_TRUE(mte_on());
	shared = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	vma = mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
	ASSERT_NE(MAP_FAILED, vma);
	for (i = 0; i < pages; i++)
		touch(page_at(vma, i));
	pid = child();
	me = !pid;
	pin_cpu(me);
	for (i = 0; i < pages; i++)
		touch(page_at(vma, i));
	for (i = 0; i < pages; i++) {
		char *page = page_at(vma, i), *mine = page + me * GRANULE;

		__atomic_store_n(&shared->turn[me], i + 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&shared->turn[!me], __ATOMIC_SEQ_CST) <= i)
			;
		mprotect(page, page_size, PROT_READ | PROT_WRITE | PROT_MTE);
		store_tag(with_tag(mine, 5));
		/* once more when the other one is through for sure */
		if (i > 0)
			lost += load_tag(mine - page_size) != with_tag(mine - page_size, 5);
	}
	if (!pid)
		_exit(lost != 0);
	EXPECT_EQ(0, lost);
	EXPECT_TRUE(child_ok(pid));
	munmap(vma, pages * page_size);
}
#else
TEST_F(stock, mte)
{
	ASSERT_TRUE(mte_on());
}
#endif
