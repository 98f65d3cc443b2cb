// SPDX-License-Identifier: GPL-2.0
/* fork() and exec() of a process that lives in large folios. */
#include "lib/fixture.h"

#define PAGES 512

static void fill_large(struct __test_metadata *_metadata, char *vma, int order)
{
	size_t i;

	enable_orders(ORDER(order));
	fill(vma, PAGES, 1);
	for (i = 0; i < PAGES; i += ORDER(order)) {
		ASSERT_ORDER(order, page_at(vma, i));
	}
}

static bool stripe_holds(char *vma, size_t first, size_t step, uint32_t tag)
{
	size_t i;

	for (i = first; i < PAGES; i += step)
		if (!holds(page_at(vma, i), 1, tag + i))
			return false;
	return true;
}

static void fill_stripe(char *vma, size_t first, size_t step, uint32_t tag)
{
	size_t i;

	for (i = first; i < PAGES; i += step)
		fill(page_at(vma, i), 1, tag + i);
}

/* Each side writes half of the pages; neither sees the other's. */
static void copies(struct __test_metadata *_metadata, int order)
{
	char *vma = map_new(PAGES);
	pid_t pid;

	fill_large(_metadata, vma, order);
	fill_stripe(vma, 0, 1, 1000);
	pid = child();
	if (!pid) {
		EXPECT_TRUE(stripe_holds(vma, 0, 1, 1000));
		fill_stripe(vma, 1, 2, 2000);
		raise(SIGSTOP);
		/* the parent has written the even pages meanwhile */
		EXPECT_TRUE(stripe_holds(vma, 0, 2, 1000));
		EXPECT_TRUE(stripe_holds(vma, 1, 2, 2000));
		_exit(!_metadata->passed);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, WUNTRACED));
	EXPECT_TRUE(stripe_holds(vma, 0, 1, 1000));
	fill_stripe(vma, 0, 2, 3000);
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(stripe_holds(vma, 0, 2, 3000));
	EXPECT_TRUE(stripe_holds(vma, 1, 2, 1000));
	/* the child is gone: all is the parent's own again */
	fill_stripe(vma, 0, 1, 4000);
	EXPECT_TRUE(stripe_holds(vma, 0, 1, 4000));
	EXPECT_EQ(PAGES, present(vma, PAGES));
	munmap(vma, PAGES * page_size);
}

TEST_F(laf, copies_of_each_order)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++)
		copies(_metadata, order);
}

/*
 * No fork at all: every page of a new folio is its owner's alone. Taking the right
 * to write and giving it back is no reason to copy one.
 */
TEST_F(laf, exclusive)
{
	char *vma = map_new(PAGES);
	uint64_t pfn;
	size_t i;

	fill_large(_metadata, vma, 4);
	pfn = pfn_of(page_at(vma, 37));
	ASSERT_EQ(0, mprotect(vma, PAGES * page_size, PROT_READ));
	ASSERT_EQ(0, mprotect(vma, PAGES * page_size, PROT_READ | PROT_WRITE));
	fill(vma, PAGES, 2);
	EXPECT_EQ(pfn, pfn_of(page_at(vma, 37)));
	for (i = 0; i < PAGES; i += 16) {
		EXPECT_ORDER(4, page_at(vma, i));
	}
	EXPECT_TRUE(holds(vma, PAGES, 2));
}

/* Children and grandchildren that drop, keep and write parts, and end in any order. */
TEST_F(laf, family)
{
	size_t rounds = longer ? 200 : 8, i;
	char *vma = map_new(PAGES);
	pid_t pids[4];

	fill_large(_metadata, vma, 4);
	fill_stripe(vma, 0, 1, 1000);
	while (rounds--) {
		for (i = 0; i < ARRAY_SIZE(pids); i++) {
			size_t from = rnd(PAGES), nr = 1 + rnd(PAGES - from);
			size_t mine = rnd(8);

			pids[i] = child();
			if (pids[i])
				continue;
			munmap(page_at(vma, from), nr * page_size);
			map(page_at(vma, from), nr);
			fill_stripe(vma, mine, 8, 5000 + i);
			if (i % 2) {
				pid_t pid = child();

				if (!pid)
					_exit(!stripe_holds(vma, mine, 8, 5000 + i));
				fill_stripe(vma, mine, 8, 6000);
				_exit(!child_ok(pid) || !stripe_holds(vma, mine, 8, 6000));
			}
			_exit(!stripe_holds(vma, mine, 8, 5000 + i));
		}
		fill_stripe(vma, 3, 8, 1000);
		for (i = ARRAY_SIZE(pids); i--;) {
			EXPECT_TRUE(child_ok(pids[i]));
		}
		EXPECT_TRUE(stripe_holds(vma, 0, 1, 1000));
	}
}

/* A child's own memory is large as its parent's was. */
TEST_F(laf, new_memory_in_child)
{
	char *vma = map_new(PAGES);
	pid_t pid;

	fill_large(_metadata, vma, 4);
	pid = child();
	if (!pid) {
		char *own = map_new(64);

		touch(page_at(own, 33));
		EXPECT_ORDER(4, page_at(own, 33));
		madvise(vma, PAGES * page_size, MADV_DONTNEED);
		touch(page_at(vma, 17));
		EXPECT_ORDER(4, page_at(vma, 17));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(holds(vma, PAGES, 1));
}

#define STAGE "LAF_EXEC_STAGE"
#define ARGS 64
#define ARG_SIZE 4000

/*
 * Runs in the new program, before the harness. Its arguments came through the
 * temporary stack of exec(), whose pages move by less than a folio.
 */
static void __attribute__((constructor)) second_stage(int argc, char **argv)
{
	int i, j;

	if (!getenv(STAGE))
		return;
	if (argc != ARGS + 1)
		_exit(2);
	for (i = 1; i <= ARGS; i++)
		for (j = 0; j < ARG_SIZE; j++)
			if (argv[i][j] != 'a' + (i + j) % 26)
				_exit(3);
	_exit(strlen(getenv(STAGE)) != ARG_SIZE);
}

TEST_F(laf, exec)
{
	static char args[ARGS][ARG_SIZE + 1], env[sizeof(STAGE) + ARG_SIZE + 1];
	char *argv[ARGS + 2] = { "second" }, *envp[2] = { env };
	char *vma = map_new(PAGES);
	int i, j, size;
	pid_t pid;

	fill_large(_metadata, vma, 4);
	enable_orders(large_orders());
	for (i = 0; i < ARGS; i++) {
		for (j = 0; j < ARG_SIZE; j++)
			args[i][j] = 'a' + (i + 1 + j) % 26;
		argv[i + 1] = args[i];
	}
	size = sprintf(env, STAGE "=");
	memset(env + size, 'e', ARG_SIZE);
	for (i = 0; i < 4; i++) {
		pid = child();
		if (!pid) {
			execve("/proc/self/exe", argv, envp);
			_exit(99);
		}
		EXPECT_TRUE(child_ok(pid));
	}
	EXPECT_TRUE(holds(vma, PAGES, 1));
}
