// SPDX-License-Identifier: GPL-2.0
/*
 * Memory with large folios in it goes offline. Wants a block of memory that can:
 * x86_64, with kernelcore=512M on the command line.
 */
#include <errno.h>

#include "lib/fixture.h"

#define MEMORY	"/sys/devices/system/memory/"
#define PAGES	1024
#define TAG	100
#define HWP	7	/* the folio with the bad page */

static uint64_t pages_of_block(void)
{
	char text[32];

	if (read_file(MEMORY "block_size_bytes", text, sizeof(text)) <= 0)
		return 0;
	return strtoull(text, NULL, 16) / page_size;
}

static const char *block_file(uint64_t block, const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), MEMORY "memory%llu/%s", (unsigned long long)block, name);
	return path;
}

static uint64_t block_of(char *vma, size_t i)
{
	return pfn_of(page_at(vma, i)) / pages_of_block();
}

/* The last block has holes. */
static bool is_movable(uint64_t block)
{
	char zones[64];

	return read_file(block_file(block, "valid_zones"), zones, sizeof(zones)) > 0 &&
	       !strncmp(zones, "Movable", 7) &&
	       !access(block_file(block + 1, "state"), F_OK);
}

/*
 * A folio of @order in each aligned piece, all in memory that can go offline, which
 * is used behind other memory; the tags are those of the pages.
 */
static char *filled(struct __test_metadata *_metadata, int order)
{
	char *vma = NULL;
	size_t i;
	int try;

	enable_orders(ORDER(order));
	for (try = 0; try < 64; try++) {
		vma = map_new(PAGES);
		ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_POPULATE_WRITE));
		ASSERT_ORDER(order, vma);
		if (is_movable(block_of(vma, 0)) &&
		    is_movable(block_of(vma, PAGES - 1)))
			break;
	}
	ASSERT_GT(64, try) {
		TH_LOG("this test wants kernelcore=512M");
	}
	for (i = 0; i < PAGES; i += ORDER(order))
		ASSERT_ORDER(order, page_at(vma, i));
	fill_pages(vma, 0, PAGES, TAG);
	drain();
	return vma;
}

static size_t in_block(char *vma, uint64_t block)
{
	size_t i, nr = 0;

	for (i = 0; i < PAGES; i++)
		if (pfn_of(page_at(vma, i)))
			nr += block_of(vma, i) == block;
	return nr;
}

static void offline(struct __test_metadata *_metadata, uint64_t block)
{
	int try, err;

	for (try = 0; try < 5; try++) {
		err = setting(block_file(block, "state"), "offline");
		if (err != -EBUSY)
			break;
	}
	EXPECT_EQ(0, err);
}

static bool others_hold(char *vma, size_t except)
{
	return pages_hold(vma, 0, except, TAG) && pages_hold(vma, except + 1, PAGES, TAG);
}

/*
 * All move, whole, and the counters of isolated pages are right: the supervisor
 * has them checked, and the kernel log says if one is below zero.
 */
TEST_F(laf, offline)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled(_metadata, order);
		uint64_t block = block_of(vma, 0);
		size_t nr = in_block(vma, block);

		offline(_metadata, block);
		TH_LOG("%zu pages in folios of order %d were there", nr, order);
		EXPECT_EQ(0, in_block(vma, block));
		EXPECT_EQ(PAGES, present(vma, PAGES));
		EXPECT_ORDER(order, vma);
		EXPECT_TRUE(pages_hold(vma, 0, PAGES, TAG));
		munmap(vma, PAGES * page_size);
		write_file(block_file(block, "state"), "online_movable");
		write_file("/proc/sys/vm/stat_refresh", "1");
	}
}

/* Page @nr of a folio is bad, and could not be split off when it became so. */
static void offline_poisoned(struct __test_metadata *_metadata, size_t nr)
{
	char *vma = filled(_metadata, 4);
	uint64_t block = block_of(vma, HWP * 16);
	int fd = hold(page_at(vma, HWP * 16 + 3));
	size_t page = HWP * 16 + nr;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, page), 1));
	EXPECT_ORDER(4, page_at(vma, page));
	close(fd);

	offline(_metadata, block);
	EXPECT_EQ(0, in_block(vma, block));
	EXPECT_TRUE(others_hold(vma, page));
	EXPECT_TRUE(bad(page_at(vma, page)));
	EXPECT_EQ(PAGES - 1, present(vma, PAGES));
}

TEST_F(laf, bad_first_page)
{
	offline_poisoned(_metadata, 0);
}

TEST_F(laf, bad_other_page)
{
	offline_poisoned(_metadata, 6);
}
