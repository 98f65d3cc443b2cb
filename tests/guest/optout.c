// SPDX-License-Identifier: GPL-2.0
/* Memory whose owner, or whose kind, rules large folios out. */
#include "lib/fixture.h"

#define PAGES 32

/* Fresh memory gets an order 4 folio here and now. */
#define ASSERT_CONTROL() do {						\
	char *__vma = map_new(PAGES);					\
									\
	touch(__vma);							\
	ASSERT_ORDER(4, __vma);						\
	munmap(__vma, PAGES * page_size);				\
} while (0)

#define EXPECT_ALL_SMALL(vma) do {					\
	size_t __i;							\
									\
	for (__i = 0; __i < PAGES; __i += 5) {				\
		touch(page_at(vma, __i));				\
		EXPECT_ORDER(0, page_at(vma, __i));			\
		EXPECT_EQ(__i / 5 + 1, present(vma, PAGES));		\
	}								\
} while (0)

TEST_F(laf, nohugepage)
{
	char *vma = map_new(PAGES);

	enable_orders(DEFAULT_ORDERS);
	ASSERT_CONTROL();
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_NOHUGEPAGE));
	EXPECT_ALL_SMALL(vma);
	/* and back */
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_HUGEPAGE));
	touch(vma);
	EXPECT_ORDER(4, vma);
}

TEST_F(laf, prctl)
{
	char *vma = map_new(PAGES);
	pid_t pid;

	enable_orders(DEFAULT_ORDERS);
	ASSERT_CONTROL();
	ASSERT_EQ(0, prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	EXPECT_ALL_SMALL(vma);
	/* MADV_HUGEPAGE does not lift it, and a child inherits it */
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_HUGEPAGE));
	pid = child();
	if (!pid) {
		touch(page_at(vma, 16));
		_exit(mapped_order(page_at(vma, 16)));
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_ALL_SMALL(vma);

	ASSERT_EQ(0, prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_DONTNEED));
	touch(vma);
	EXPECT_ORDER(4, vma);
}

/* Only private anonymous memory: files, shared memory and copies stay small. */
TEST_F(laf, other_memory)
{
	char *vma;
	int fd;

	enable_orders(DEFAULT_ORDERS);
	ASSERT_CONTROL();

	vma = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, vma);
	EXPECT_ALL_SMALL(vma);

	fd = memfd_create("small", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGES * page_size));
	vma = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, vma);
	EXPECT_ALL_SMALL(vma);
}
