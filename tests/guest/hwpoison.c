// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that are taken out of use, one by one, from large folios, unless somebody
 * has a reference to the folio: then it stays as it is.
 */
#include <errno.h>

#include "lib/fixture.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define PAGES 64

static uint64_t pfns[PAGES];

/* Folios of @order, each page with a tag of its own. */
static char *filled(struct __test_metadata *_metadata, int order)
{
	char *vma = map_new(PAGES);
	size_t i;

	enable_orders(ORDER(order));
	for (i = 0; i < PAGES; i++)
		fill(page_at(vma, i), 1, 100 + i);
	for (i = 0; i < PAGES; i++) {
		ASSERT_ORDER(order, page_at(vma, i));
		pfns[i] = pfn_of(page_at(vma, i));
	}
	drain();
	return vma;
}

/* All but pages @from to @to - 1 */
static bool others_hold(char *vma, size_t from, size_t to)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if ((i < from || i >= to) && !holds(page_at(vma, i), 1, 100 + i))
			return false;
	return true;
}

/* How many of pages @from to @to - 1 are back in use. */
static size_t unpoison_pages(size_t from, size_t to)
{
	size_t done = 0;

	while (from < to)
		done += unpoison(pfns[from++]);
	return done;
}

/* Each page of the range is moved away, and keeps its contents; no other is. */
TEST_F(laf, soft_offline)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++) {
		size_t from = 5, nr = 9, moved = 0, i;
		char *vma = filled(_metadata, order);
		long before = meminfo("HardwareCorrupted");

		EXPECT_EQ(0, madvise(page_at(vma, from), nr * page_size, MADV_SOFT_OFFLINE));
		EXPECT_EQ(nr * page_size >> 10, meminfo("HardwareCorrupted") - before);
		for (i = 0; i < PAGES; i++)
			moved += pfns[i] != pfn_of(page_at(vma, i));
		EXPECT_EQ(nr, moved);
		EXPECT_TRUE(others_hold(vma, 0, 0));
		EXPECT_EQ(nr, unpoison_pages(from, from + nr));
		munmap(vma, PAGES * page_size);
	}
}

/* All pages of the range are bad, in two folios, and no other is. */
TEST_F(laf, inject)
{
	int order;
	size_t i;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled(_metadata, order);

		EXPECT_EQ(0, poison(page_at(vma, 30), 4));
		for (i = 30; i < 34; i++)
			EXPECT_TRUE(bad(page_at(vma, i))) {
				TH_LOG("page %zu, order %d", i, order);
			}
		EXPECT_TRUE(others_hold(vma, 30, 34));
		munmap(vma, PAGES * page_size);
		unpoison_pages(30, 34);
	}
}

/*
 * A folio that cannot be split: an error, no signal, and what can still be read
 * is there. The split that comes later takes the page away.
 */
TEST_F(laf, held)
{
	char *vma = filled(_metadata, 4);
	int fd = hold(page_at(vma, 17));

	ASSERT_LE(0, fd);
	HITS_BEGIN("memory_failure");
	EXPECT_EQ(-EBUSY, poison(page_at(vma, 20), 1));
	EXPECT_HITS("memory_failure");
	EXPECT_ORDER(4, page_at(vma, 20));
	EXPECT_FALSE(bad(page_at(vma, 20)));
	EXPECT_TRUE(others_hold(vma, 0, 0));
	close(fd);

	EXPECT_EQ(0, madvise(page_at(vma, 24), page_size, MADV_SOFT_OFFLINE));
	EXPECT_ORDER(0, page_at(vma, 16));
	EXPECT_TRUE(bad(page_at(vma, 20)));
	EXPECT_TRUE(others_hold(vma, 20, 21));
	munmap(vma, PAGES * page_size);
	unpoison_pages(20, 21);
	unpoison_pages(24, 25);
}

/*
 * Such a page is reported again, mapped or not: it is known, and counted once. The
 * report leaves nothing behind, a reference would keep the folio in one piece. (A
 * signal answers only what a CPU reports of its own access: nothing here does that.)
 */
TEST_F(laf, again)
{
	char *vma = filled(_metadata, 4);
	int fd = hold(page_at(vma, 17));
	long before, corrupted;

	ASSERT_LE(0, fd);
	before = meminfo("HardwareCorrupted");
	EXPECT_EQ(-EBUSY, poison(page_at(vma, 20), 1));
	corrupted = meminfo("HardwareCorrupted");
	EXPECT_EQ(page_size >> 10, corrupted - before);
	HITS_BEGIN("memory_failure");
	EXPECT_EQ(-EHWPOISON, poison(page_at(vma, 20), 1));
	EXPECT_EQ(-EHWPOISON, poison_pfn(pfns[20]));
	EXPECT_HITS("memory_failure");
	EXPECT_ORDER(4, page_at(vma, 20));
	EXPECT_FALSE(bad(page_at(vma, 20)));
	EXPECT_EQ(corrupted, meminfo("HardwareCorrupted"));
	close(fd);

	EXPECT_EQ(0, madvise(page_at(vma, 24), page_size, MADV_SOFT_OFFLINE));
	EXPECT_ORDER(0, page_at(vma, 16));
	EXPECT_TRUE(bad(page_at(vma, 20)));
	EXPECT_EQ(-EHWPOISON, poison_pfn(pfns[20]));
	EXPECT_TRUE(bad(page_at(vma, 20)));
	EXPECT_EQ(2 * page_size >> 10, meminfo("HardwareCorrupted") - before);
	EXPECT_TRUE(others_hold(vma, 20, 21));
	munmap(vma, PAGES * page_size);
	EXPECT_EQ(2, unpoison_pages(20, 21) + unpoison_pages(24, 25));
}

static volatile sig_atomic_t notices;
static siginfo_t notice;

static void take_notice(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	notice = *info;
	notices++;
}

static void want_notice(struct __test_metadata *_metadata)
{
	struct sigaction action = { .sa_sigaction = take_notice, .sa_flags = SA_SIGINFO };

	ASSERT_EQ(0, prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	sigaction(SIGBUS, &action, NULL);
	notices = 0;
}

/* There has been one, and it was about @page alone. */
static void had_notice(struct __test_metadata *_metadata, int order, void *page)
{
	EXPECT_EQ(1, notices) {
		TH_LOG("order %d", order);
	}
	EXPECT_EQ(BUS_MCEERR_AO, notice.si_code);
	EXPECT_EQ(page, notice.si_addr);
	EXPECT_EQ(page_size, 1UL << notice.si_addr_lsb);
}

/* A process that wants it has notice of one bad page before it reads it. */
static void early_notice(struct __test_metadata *_metadata, int order)
{
	char *vma = filled_order(_metadata, PMD, order), *page = page_at(vma, 20);
	uint64_t pfn = pfn_of(page);

	want_notice(_metadata);
	EXPECT_EQ(0, poison(page, 1));
	had_notice(_metadata, order, page);
	EXPECT_TRUE(bad(page));
	munmap(vma, PMD * page_size);
	EXPECT_TRUE(unpoison(pfn));
}

TEST_F(stock, early_small)
{
	thp_mode("never");
	early_notice(_metadata, 0);
}

TEST_F(stock, early_huge)
{
	if (!huge_here())
		SKIP(return, NO_HUGE);
	thp_mode("always");
	early_notice(_metadata, pmd_order);
}

/*
 * Of a folio that cannot be split there is notice as well, for those that want it; the
 * page is still there, and so are the others.
 */
TEST_F(laf, early_held)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled(_metadata, order), *page = page_at(vma, 38);
		pid_t pid;
		int fd;

		notices = 0;
		pid = child();
		if (!pid) {
			prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0);
			raise(SIGSTOP);
			_exit(notices || !others_hold(vma, 0, 0));
		}
		waitpid(pid, NULL, WUNTRACED);
		want_notice(_metadata);
		fd = hold(page_at(vma, 37));
		ASSERT_LE(0, fd);
		EXPECT_EQ(-EBUSY, poison(page, 1));
		had_notice(_metadata, order, page);
		EXPECT_ORDER(order, page);
		EXPECT_TRUE(others_hold(vma, 0, 0));
		kill(pid, SIGCONT);
		EXPECT_TRUE(child_ok(pid));
		close(fd);
		munmap(vma, PAGES * page_size);
		unpoison_pages(38, 39);
	}
}

/* That of PMD size is left as it is on stock. */
TEST_F(stock, early_huge_held)
{
	uint64_t pfn;
	char *vma;
	int fd;

	if (!huge_here())
		SKIP(return, NO_HUGE);
	thp_mode("always");
	vma = filled_order(_metadata, PMD, pmd_order);
	pfn = pfn_of(page_at(vma, 20));
	want_notice(_metadata);
	fd = hold(page_at(vma, 37));
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, 20), 1));
	EXPECT_EQ(0, notices);
	close(fd);
	munmap(vma, PMD * page_size);
	unpoison(pfn);
}

/* Nor is it copied into a huge page, whoever asks for one. */
TEST_F(laf, collapse)
{
	char *vma = filled_order(_metadata, PMD, 4);
	uint64_t pfn = pfn_of(page_at(vma, 20));
	int fd = hold(page_at(vma, 17));

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, 20), 1));
	close(fd);
	size_mode(pmd_order, "always");
	EXPECT_FALSE(collapse(vma));
	EXPECT_ORDER(4, page_at(vma, 20));
	EXPECT_TRUE(holds(vma, PMD, 4));
	munmap(vma, PMD * page_size);
	unpoison(pfn);
}

/*
 * Nor for a child, which has a page of its own if the folio is pinned: it gets what it
 * would get for a small page.
 */
TEST_F(laf, forked)
{
	char *vma = filled(_metadata, 4);
	int fd = pin_longterm(page_at(vma, 17), 1);
	pid_t pid;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, 20), 1));
	pid = child();
	if (!pid) {
		EXPECT_NE(pfns[21], pfn_of(page_at(vma, 21)));
		EXPECT_TRUE(bad(page_at(vma, 20)));
		EXPECT_TRUE(others_hold(vma, 20, 21));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_ORDER(4, page_at(vma, 20));
	EXPECT_TRUE(others_hold(vma, 0, 0));
	close(fd);
	munmap(vma, PAGES * page_size);
	unpoison_pages(20, 21);
}

/* Nor for a write to what a child has, too. */
TEST_F(laf, copied)
{
	char *vma = filled(_metadata, 4);
	pid_t pid = child();
	int fd;

	if (!pid) {
		raise(SIGSTOP);
		_exit(!others_hold(vma, 0, 0));
	}
	waitpid(pid, NULL, WUNTRACED);
	fd = hold(page_at(vma, 17));
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, 20), 1));
	close(fd);
	EXPECT_FALSE(bad(page_at(vma, 20)));
	EXPECT_TRUE(bad_to_write(page_at(vma, 20)));
	EXPECT_FALSE(bad_to_write(page_at(vma, 21)));
	EXPECT_EQ(pfns[20], pfn_of(page_at(vma, 20)));
	EXPECT_NE(pfns[21], pfn_of(page_at(vma, 21)));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(others_hold(vma, 0, 0));
	munmap(vma, PAGES * page_size);
	unpoison_pages(20, 21);
}

/* A folio with a bad page that is freed in one piece: all other pages are free. */
TEST_F(laf, freed)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++) {
		size_t nr = 1 << order, first = nr, free = 0, i;
		char *vma = filled(_metadata, order);
		int fd = hold(page_at(vma, first));

		ASSERT_LE(0, fd);
		EXPECT_EQ(-EBUSY, poison(page_at(vma, first + 2), 1));
		EXPECT_ORDER(order, page_at(vma, first));
		munmap(vma, PAGES * page_size);
		close(fd);

		EXPECT_TRUE(pfn_flag(pfns[first + 2], KPF_HWPOISON));
		EXPECT_FALSE(pfn_flag(pfns[first + 2], KPF_BUDDY));
		for (i = first; i < first + nr; i++)
			free += pfn_flag(pfns[i], KPF_BUDDY);
		TH_LOG("order %d: %zu pages are free", order, free);
		/* somebody may have taken some already */
		EXPECT_LT(nr / 2, free);
		unpoison_pages(first + 2, first + 3);
	}
}
