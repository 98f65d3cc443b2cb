// SPDX-License-Identifier: GPL-2.0
/*
 * Writes through /proc/self/mem to memory without access. On x86 such an entry
 * holds its PFN inverted (L1TF): whoever maps a folio by adding to the entry
 * walks away from it, into other people's memory.
 */
#include <fcntl.h>
#include <setjmp.h>

#include "lib/fixture.h"

#define PAGES 512

/*
 * Other people: small pages with a pattern on all sides of the folios to come.
 * Returns when they are filled; SIGCONT lets the child look at them again.
 */
static pid_t victim(void)
{
	size_t pages = longer ? 16384 : 2048;
	char *vma = map_new(pages);
	pid_t pid = child();

	if (!pid) {
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		fill(vma, pages, 77);
		raise(SIGSTOP);
		_exit(!holds(vma, pages, 77));
	}
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

static sigjmp_buf before_write;

static void segmentation_fault(int sig)
{
	(void)sig;
	siglongjmp(before_write, 1);
}

/* What was forced in gives nobody the right to write there. */
static bool refused(char *page)
{
	volatile bool is_refused = true;

	signal(SIGSEGV, segmentation_fault);
	if (!sigsetjmp(before_write, 1)) {
		touch(page);
		is_refused = false;
	}
	signal(SIGSEGV, SIG_DFL);
	return is_refused;
}

static void write_through_mem(struct __test_metadata *_metadata, int prot,
			      unsigned int orders, int want)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char *vma = map_new(PAGES), letter = 'x';
	pid_t pid;
	size_t i;

	ASSERT_LE(0, mem);
	ASSERT_EQ(0, mprotect(vma, PAGES * page_size, prot));
	pid = victim();
	enable_orders(orders);
	/* the last page of each folio: what comes before it is the kernel's doing */
	for (i = ORDER(want) - 1; i < PAGES; i += ORDER(want)) {
		ASSERT_EQ(1, pwrite(mem, &letter, 1, (uintptr_t)page_at(vma, i) + 9));
		ASSERT_ORDER(want, page_at(vma, i));
	}
	EXPECT_EQ(PAGES, present(vma, PAGES));
	for (i = 0; i < PAGES; i += 5)
		EXPECT_TRUE(refused(page_at(vma, i)));

	ASSERT_EQ(0, mprotect(vma, PAGES * page_size, PROT_READ | PROT_WRITE));
	for (i = ORDER(want) - 1; i < PAGES; i += ORDER(want)) {
		EXPECT_EQ('x', page_at(vma, i)[9]);
		page_at(vma, i)[9] = 0;
	}
	EXPECT_TRUE(zeroed(vma, PAGES));
	fill(vma, PAGES, 3);
	EXPECT_TRUE(holds(vma, PAGES, 3));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	/* and back to no access, where the entries are inverted one by one */
	ASSERT_EQ(0, mprotect(vma, PAGES * page_size, PROT_NONE));
	EXPECT_ORDER(want, vma);
	ASSERT_EQ(0, mprotect(vma, PAGES * page_size, PROT_READ));
	EXPECT_TRUE(holds(vma, PAGES, 3));
}

TEST_F(laf, no_access)
{
	write_through_mem(_metadata, PROT_NONE, DEFAULT_ORDERS, 4);
}

TEST_F(laf, no_access_order_2)
{
	write_through_mem(_metadata, PROT_NONE, ORDER(2), 2);
}

TEST_F(laf, no_access_order_8)
{
	write_through_mem(_metadata, PROT_NONE, ORDER(8), 8);
}

TEST_F(laf, read_only)
{
	write_through_mem(_metadata, PROT_READ, DEFAULT_ORDERS, 4);
}
