// SPDX-License-Identifier: GPL-2.0
/*
 * A VMA that userfaultfd watches: a fault may bring in its own page only, since
 * a neighbour that comes along is an event that the watcher never gets.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "lib/fixture.h"

#define PAGES 32

struct watch {
	int fd;
	char *vma;
	pthread_t thread;
	size_t events;
	bool twice, elsewhere;
	uint64_t seen;		/* bit of the page */
};

/* Resolves a missing page: even ones by a copy with its number, odd ones zero. */
static void resolve_missing(int fd, char *page, size_t nr)
{
	if (nr % 2 == 0) {
		char data[4096] __attribute__((aligned(4096)));
		struct uffdio_copy copy = {
			.dst = (uintptr_t)page, .src = (uintptr_t)data, .len = page_size,
		};

		memset(data, nr + 1, sizeof(data));
		ioctl(fd, UFFDIO_COPY, &copy);
	} else {
		struct uffdio_zeropage zero = {
			.range = { .start = (uintptr_t)page, .len = page_size },
		};

		ioctl(fd, UFFDIO_ZEROPAGE, &zero);
	}
}

static void *watcher(void *arg)
{
	struct watch *w = arg;
	struct pollfd pollfd = { .fd = w->fd, .events = POLLIN };
	struct uffd_msg msg;

	/* The test closes nothing: it kills the watcher by its own exit. */
	while (poll(&pollfd, 1, -1) > 0) {
		char *page;
		size_t nr;

		if (read(w->fd, &msg, sizeof(msg)) != sizeof(msg) ||
		    msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		page = (char *)(uintptr_t)(msg.arg.pagefault.address & ~(page_size - 1));
		nr = (page - w->vma) / page_size;
		if (nr >= PAGES) {
			w->elsewhere = true;
			continue;
		}
		w->twice |= w->seen >> nr & 1;
		w->seen |= 1ULL << nr;
		__atomic_add_fetch(&w->events, 1, __ATOMIC_SEQ_CST);
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
			write_protect(w->fd, page, 1, false);
		else
			resolve_missing(w->fd, page, nr);
	}
	return NULL;
}

static char *control(struct __test_metadata *_metadata)
{
	char *vma = map_new(PAGES);

	enable_orders(DEFAULT_ORDERS);
	touch(vma);
	ASSERT_ORDER(4, vma);
	madvise(vma, PAGES * page_size, MADV_DONTNEED);
	return vma;
}

TEST_F(laf, missing)
{
	struct watch w = { .vma = control(_metadata) };
	size_t i;

	w.fd = uffd_open(0);
	ASSERT_LE(0, w.fd);
	ASSERT_EQ(0, uffd_register(w.fd, w.vma, PAGES, UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, watcher, &w));
	for (i = 0; i < PAGES; i++) {
		volatile char *page = page_at(w.vma, i);

		page[7] = 0x55;
		EXPECT_EQ(i + 1, w.events);
		EXPECT_EQ(i + 1, present(w.vma, PAGES));
		EXPECT_ORDER(0, page_at(w.vma, i));
		EXPECT_EQ(0x55, page[7]);
		EXPECT_EQ(i % 2 ? 0 : (char)(i + 1), page[8]);
	}
	EXPECT_FALSE(w.twice);
	EXPECT_FALSE(w.elsewhere);

	/* Large again when nobody watches. */
	ASSERT_EQ(0, uffd_unregister(w.fd, w.vma, PAGES));
	madvise(w.vma, PAGES * page_size, MADV_DONTNEED);
	touch(w.vma);
	EXPECT_ORDER(4, w.vma);
	EXPECT_EQ(PAGES, w.events);
}

/* Large folios that were there before the watcher came still give one event a page. */
TEST_F(laf, missing_after_zap)
{
	struct watch w = { .vma = control(_metadata) };
	size_t i;

	for (i = 0; i < PAGES; i++)
		touch(page_at(w.vma, i));
	w.fd = uffd_open(0);
	ASSERT_LE(0, w.fd);
	ASSERT_EQ(0, uffd_register(w.fd, w.vma, PAGES, UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, watcher, &w));
	madvise(page_at(w.vma, 8), 16 * page_size, MADV_DONTNEED);
	for (i = 0; i < PAGES; i++)
		touch(page_at(w.vma, i));
	EXPECT_EQ(16, w.events);
	EXPECT_EQ(0xffff00ULL, w.seen);
	EXPECT_FALSE(w.twice);
}

/* Watched for writes only: pages that nobody touched stay absent, and small. */
TEST_F(laf, write_protect)
{
	struct watch w = { .vma = control(_metadata) };
	size_t i;

	w.fd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	if (w.fd < 0)
		SKIP(return, "no userfaultfd write protection here");
	ASSERT_EQ(0, uffd_register(w.fd, w.vma, PAGES, UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, write_protect(w.fd, w.vma, PAGES, true));
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, watcher, &w));
	for (i = 0; i < PAGES; i += 3) {
		touch(page_at(w.vma, i));
		EXPECT_ORDER(0, page_at(w.vma, i));
		EXPECT_EQ(i / 3 + 1, present(w.vma, PAGES));
	}
	EXPECT_EQ(0, w.events);
	ASSERT_EQ(0, write_protect(w.fd, w.vma, PAGES, true));
	for (i = 0; i < PAGES; i += 3)
		*page_at(w.vma, i) = 1;
	EXPECT_EQ((PAGES + 2) / 3, w.events);
	EXPECT_FALSE(w.twice);
}

/* Pages of folios from before: protected one by one, one event each. */
TEST_F(laf, write_protect_large)
{
	struct watch w = { .vma = control(_metadata) };
	size_t i;

	fill(w.vma, PAGES, 3);
	ASSERT_ORDER(4, w.vma);
	w.fd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	if (w.fd < 0)
		SKIP(return, "no userfaultfd write protection here");
	ASSERT_EQ(0, uffd_register(w.fd, w.vma, PAGES, UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, watcher, &w));
	ASSERT_EQ(0, write_protect(w.fd, page_at(w.vma, 5), 6, true));
	fill(w.vma, PAGES, 4);
	EXPECT_TRUE(holds(w.vma, PAGES, 4));
	EXPECT_EQ(6, w.events);
	EXPECT_EQ(0x3fULL << 5, w.seen);
	for (i = 0; i < PAGES; i += 16) {
		EXPECT_EQ(4, folio_order(page_at(w.vma, i)));
	}
}
