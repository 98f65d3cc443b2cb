// SPDX-License-Identifier: GPL-2.0
/*
 * Tables that are freed while others fault, walk, move, copy or pin what is next to
 * it. Every page says which one it is and when it was written: what a table that is
 * gone has had, or what belongs elsewhere, is a wrong word. A hang or a signal is a
 * failure, too, and the kernel log may have more.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/fixture.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef __NR_pidfd_open
#define __NR_pidfd_open		434
#endif
#ifndef __NR_process_mrelease
#define __NR_process_mrelease	448
#endif

/*
 * Three tables: the zapper has all but the end of the third one, which is the
 * opponents'. What both have in it, both drop.
 */
#define ALL	1536
#define MINE	1504
#define THEIRS	(ALL - MINE)
#define DISK	"/dev/zram0"
#define KSM	"/sys/kernel/mm/ksm/"

static char *arena;
static bool loose;	/* opponents drop the zapper's pages */
static uint64_t fresh;	/* what a page has that nobody has written: this, and its number */

static uint64_t fresh_word(size_t page)
{
	return fresh ? fresh | page : 0;
}

static uint64_t written_word(size_t page, unsigned long round)
{
	return 1ULL << 62 | (uint64_t)round << 16 | page;
}

/* The first and the last word of a page, which are the same. */
static uint64_t *words_of(void *page, bool last)
{
	return (uint64_t *)page + (last ? page_size / 8 - 1 : 0);
}

static void set_words(void *page, uint64_t word)
{
	__atomic_store_n(words_of(page, false), word, __ATOMIC_RELAXED);
	__atomic_store_n(words_of(page, true), word, __ATOMIC_RELAXED);
}

static uint64_t word_of(void *page, bool last)
{
	return __atomic_load_n(words_of(page, last), __ATOMIC_RELAXED);
}

/* Says what is wrong, the first times. */
static void check(struct actor *a, size_t page, uint64_t want, uint64_t found)
{
	if (found == want || (loose && found == fresh_word(page)))
		return;
	if (a->wrong++ < 5)
		printf("# page %zu, round %lu: wanted %#llx, found %#llx\n", page, a->rounds,
		       (unsigned long long)want, (unsigned long long)found);
}

static void check_page(struct actor *a, size_t page, uint64_t want)
{
	check(a, page, want, word_of(page_at(arena, page), false));
	check(a, page, want, word_of(page_at(arena, page), true));
}

/* A page of somebody who is just writing to it, or dropping it. */
static void check_number(struct actor *a, size_t page, uint64_t found)
{
	if (found != fresh_word(page))
		check(a, page, written_word(page, found >> 16 & 0xffffffffff), found);
}

/* A failure of what must not fail. */
static void must(struct actor *a, bool done, const char *what)
{
	if (!done && a->wrong++ < 5)
		printf("# %s in round %lu: %s\n", what, a->rounds, strerror(errno));
}

/*
 * Touch and drop, in the pages from @from on, which are nobody else's
 */

struct span {
	size_t from, nr;
};

#define SAMPLES	4	/* pages that are written before a drop */

static void drop(struct actor *a, size_t from, size_t nr)
{
	must(a, !madvise(page_at(arena, from), nr * page_size, MADV_DONTNEED), "MADV_DONTNEED");
}

static bool keeps;	/* a page that is dropped comes back as it was: a file's */

static void write_and_drop(struct actor *a, size_t from, size_t nr)
{
	size_t pages[SAMPLES], i;

	pages[0] = from;
	pages[1] = from + nr - 1;
	for (i = 2; i < SAMPLES; i++)
		pages[i] = from + any(a, nr);
	/* half of the first writes find the zero page */
	for (i = 0; !keeps && i < SAMPLES; i++)
		if (any(a, 2))
			check_page(a, pages[i], fresh_word(pages[i]));
	for (i = 0; i < SAMPLES; i++)
		set_words(page_at(arena, pages[i]), written_word(pages[i], a->rounds));
	for (i = 0; i < SAMPLES; i++)
		check_page(a, pages[i], written_word(pages[i], a->rounds));
	drop(a, from, nr);
	if (any(a, 4))
		return;
	i = pages[any(a, SAMPLES)];
	check_page(a, i, keeps ? written_word(i, a->rounds) : fresh_word(i));
	drop(a, i, 1);
}

/* What lies in one table, in parts of two, and in all; 2 MiB, aligned or not; little. */
static void zap(struct actor *a)
{
	static const struct span spans[] = {
		{ 512, 512 }, { 0, 512 }, { 256, 512 }, { 600, 700 }, { 0, MINE },
		{ 1024, MINE - 1024 }, { MINE - 8, 8 }, { 1023, 2 }, { 700, 1 }, { 520, 64 },
	};
	const struct span *s = &spans[any(a, ARRAY_SIZE(spans))];

	write_and_drop(a, s->from, s->nr);
}

/*
 * The opponents. What they write, and check, is in pages of their own.
 */

#define HALF (THEIRS / 2)

/* Two of them: each has half of the pages. */
static void zap_small(struct actor *a)
{
	static const struct span spans[] = { { 0, HALF }, { 0, 1 }, { 5, 9 }, { HALF - 1, 1 } };
	const struct span *s = &spans[any(a, ARRAY_SIZE(spans))];

	write_and_drop(a, MINE + a->fd * HALF + s->from, s->nr);
}

/* Writes THEIRS pages, to see them again after something. */
static void write_theirs(struct actor *a)
{
	size_t i;

	for (i = MINE; i < ALL; i += 8)
		set_words(page_at(arena, i), written_word(i, a->rounds));
}

static void check_theirs(struct actor *a)
{
	size_t i;

	for (i = MINE; i < ALL; i += 8)
		check_page(a, i, written_word(i, a->rounds));
}

static void check_and_drop_theirs(struct actor *a)
{
	check_theirs(a);
	drop(a, MINE, THEIRS);
}

static void zap_all(struct actor *a)
{
	size_t page = any(a, ALL);

	switch (any(a, 4)) {
	case 0:
		drop(a, 0, ALL);
		break;
	case 1:
		drop(a, 512, 512);
		break;
	case 2:
		drop(a, page, 1);
		break;
	default:
		check_number(a, page, word_of(page_at(arena, page), any(a, 2)));
		break;
	}
}

/* With the four pages that are there. */
static void read_smaps(struct actor *a)
{
	write_theirs(a);
	must(a, smaps(arena, ALL, "Rss") >= 4 * (page_size >> 10), "pages in smaps");
	must(a, number_in("/proc/self/smaps_rollup", "Rss") > 0, "smaps_rollup");
	check_and_drop_theirs(a);
}

/* Of the last mapping that does not begin behind the arena's start. */
static void read_numa_maps(struct actor *a)
{
	FILE *f = fopen("/proc/self/numa_maps", "re");
	long pages = 0;
	char line[512];

	write_theirs(a);
	while (f && fgets(line, sizeof(line), f) &&
	       strtoul(line, NULL, 16) <= (uintptr_t)arena) {
		char *anon = strstr(line, " anon=");

		pages = anon ? atol(anon + strlen(" anon=")) : 0;
	}
	must(a, pages >= 4, "pages in numa_maps");
	if (f)
		fclose(f);
	check_and_drop_theirs(a);
}

/* Complete, and with the pages that are there. */
static void read_pagemap(struct actor *a)
{
	static uint64_t entries[ALL];
	uintptr_t first = (uintptr_t)arena / page_size;
	size_t i;

	write_theirs(a);
	must(a, pread(a->fd, entries, sizeof(entries), first * 8) == sizeof(entries), "pagemap");
	for (i = MINE; i < ALL; i += 8)
		must(a, entries[i] >> 63, "page in pagemap");
	check_and_drop_theirs(a);
}

static void open_pagemap(struct __test_metadata *_metadata, struct actor *a)
{
	a->fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, a->fd);
}

static void clear_refs(struct actor *a)
{
	static const char * const what[] = { "1", "4" };	/* referenced, soft-dirty */

	write_theirs(a);
	must(a, !write_file("/proc/self/clear_refs", what[any(a, 2)]), "clear_refs");
	check_and_drop_theirs(a);
}

static void look_in_core(struct actor *a)
{
	static unsigned char vec[ALL];
	size_t i;

	write_theirs(a);
	must(a, !mincore(arena, ALL * page_size, vec), "mincore");
	for (i = MINE; i < ALL; i += 8)
		must(a, vec[i] & 1, "page in core");
	check_and_drop_theirs(a);
}

/* All alike, and merged if there is time for it, as there is now and then. */
static void be_alike(struct actor *a)
{
	uint64_t word = 1 + a->rounds % 3;
	int tries = any(a, 4) ? 0 : 100;
	size_t i;

	for (i = MINE; i < ALL; i += 2)
		set_words(page_at(arena, i), word);
	usleep(any(a, 20000));
	while (number_in(KSM "pages_shared", NULL) <= 0 && tries--)
		usleep(2000);
	a->effects += number_in(KSM "pages_shared", NULL) > 0;
	for (i = MINE; i < ALL; i += 2)
		check(a, i, word, word_of(page_at(arena, i), true));
	drop(a, MINE, THEIRS);
}

static void start_ksm(struct __test_metadata *_metadata, struct actor *a)
{
	(void)a;
	ASSERT_EQ(0, madvise(arena, ALL * page_size, MADV_MERGEABLE));
	ASSERT_EQ(0, setting(KSM "sleep_millisecs", "1"));
	setting(KSM "pages_to_scan", "1000");
	setting(KSM "run", "1");
}

/* A copy, or the zero page if that is what is fresh. */
static int fill_page(int fd, size_t page, struct uffdio_range range)
{
	static char data[4096] __attribute__((aligned(4096)));
	struct uffdio_zeropage zero = { .range = range };
	struct uffdio_copy copy = {
		.dst = range.start, .len = range.len, .src = (uintptr_t)data,
	};

	set_words(data, fresh_word(page));
	return fresh ? ioctl(fd, UFFDIO_COPY, &copy) : ioctl(fd, UFFDIO_ZEROPAGE, &zero);
}

/* One page for who waits for it, and some for nobody. */
static void resolve(struct actor *a, size_t page)
{
	struct uffdio_range range = uffd_range(page_at(arena, page), 1);

	while (fill_page(a->fd, page, range)) {
		if (errno == EAGAIN)
			continue;
		must(a, errno == EEXIST, "a page from userfaultfd");
		/* that has woken nobody */
		ioctl(a->fd, UFFDIO_WAKE, &range);
		return;
	}
}

/* The page that somebody waits for, if any. */
static bool waited_for(struct actor *a, size_t *page)
{
	struct pollfd pollfd = { .fd = a->fd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&pollfd, 1, 1) != 1 || read(a->fd, &msg, sizeof(msg)) != sizeof(msg))
		return false;
	*page = (msg.arg.pagefault.address - (uintptr_t)arena) / page_size;
	return true;
}

static void fill_missing(struct actor *a)
{
	size_t page;

	if (waited_for(a, &page)) {
		resolve(a, page);
		a->effects++;
	}
	if (any(a, 2))
		resolve(a, any(a, MINE));
}

static void watch_missing(struct __test_metadata *_metadata, struct actor *a)
{
	a->fd = uffd_open(0);
	ASSERT_LE(0, a->fd);
	ASSERT_EQ(0, uffd_register(a->fd, arena, ALL, UFFDIO_REGISTER_MODE_MISSING));
}

static void protect_and_not(struct actor *a)
{
	size_t page, from = any(a, ALL);
	size_t nr = 1 + any(a, ALL - from);

	if (waited_for(a, &page)) {
		must(a, !write_protect(a->fd, page_at(arena, page), 1, false), "write");
		a->effects++;
	}
	if (any(a, 2) == 0)
		write_protect(a->fd, page_at(arena, from), nr, true);
	if (any(a, 32) == 0)
		write_protect(a->fd, arena, ALL, false);
}

static void watch_writes(struct __test_metadata *_metadata, struct actor *a)
{
	a->fd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			  (keeps ? UFFD_FEATURE_WP_HUGETLBFS_SHMEM : 0));
	if (a->fd < 0)
		SKIP(return, "no userfaultfd write protection here");
	ASSERT_EQ(0, uffd_register(a->fd, arena, ALL, UFFDIO_REGISTER_MODE_WP));
}

#define PM_UFFD_WP	(1ULL << 57)

/* In a table that the zapper finds empty as long as they are not there. */
static void mark_and_look(struct actor *a)
{
	char *vma = page_at(arena, MINE + any(a, THEIRS - 8));
	uint64_t entries[8];
	size_t i;

	must(a, !write_protect(a->fd, vma, 8, true), "write protection");
	must(a, pread((long)a->data, entries, sizeof(entries),
		      (uintptr_t)vma / page_size * 8) == sizeof(entries), "pagemap");
	for (i = 0; i < 8; i++)
		must(a, entries[i] & PM_UFFD_WP, "marker in pagemap");
	must(a, !write_protect(a->fd, vma, 8, false), "write protection");
}

/* To another place in a table, or with all that is behind in a table of its own. */
static void move(struct actor *a)
{
	size_t len = THEIRS * page_size;
	char *home = page_at(arena, MINE), *away = page_at(a->vma, any(a, 2) ? MINE : any(a, MINE));
	size_t i;

	write_theirs(a);
	must(a, mremap(home, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away, "mremap");
	for (i = 0; i < THEIRS; i += 8)
		check(a, MINE + i, written_word(MINE + i, a->rounds),
		      word_of(page_at(away, i), true));
	must(a, mremap(away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, home) == home, "mremap");
	check_and_drop_theirs(a);
}

static void make_room(struct __test_metadata *_metadata, struct actor *a)
{
	(void)_metadata;
	a->vma = reserve(ALL);
}

static void map_again(struct actor *a)
{
	char *theirs = page_at(arena, MINE);

	write_theirs(a);
	check_theirs(a);
	if (any(a, 2))
		munmap(theirs, THEIRS * page_size);
	map_small_at(theirs, THEIRS);
	check_page(a, MINE + any(a, THEIRS), 0);
	drop(a, MINE, THEIRS);
}

/* The child sees what is theirs as it was, and the zapper's pages in their places. */
static void fork_and_check(struct actor *a)
{
	size_t i;
	pid_t pid;

	write_theirs(a);
	pid = child();
	if (!pid) {
		a->wrong = 0;
		check_theirs(a);
		for (i = 0; i < MINE; i++)
			check_number(a, i, word_of(page_at(arena, i), true));
		madvise(arena, ALL * page_size, MADV_DONTNEED);
		for (i = 0; i < ALL; i += 100)
			check_page(a, i, 0);
		_exit(a->wrong != 0);
	}
	drop(a, MINE, THEIRS);
	must(a, child_ok(pid), "child");
}

static void migrate(struct actor *a)
{
	int nodes[64], status[64], was;
	void *pages[64];
	size_t i;

	write_theirs(a);
	for (i = 0; i < 64; i++) {
		pages[i] = page_at(arena, i < 4 ? MINE + 8 * i : any(a, ALL));
		nodes[i] = any(a, 2);
	}
	was = node_of(pages[0]);
	syscall(__NR_move_pages, 0, 64UL, pages, nodes, status, MPOL_MF_MOVE);
	a->effects += was == !nodes[0] && node_of(pages[0]) == nodes[0];
	check_and_drop_theirs(a);
}

static void want_two_nodes(struct __test_metadata *_metadata, struct actor *a)
{
	(void)a;
	if (!two_nodes())
		SKIP(return, "this test wants a guest with NUMA=2");
}

/* Migrates what lies low, if anything does: pages that are used again may lie high. */
static void compact(struct actor *a)
{
	write_theirs(a);
	must(a, !write_file("/proc/sys/vm/compact_memory", "1"), "compact_memory");
	check_and_drop_theirs(a);
}

static void swap_pages(struct actor *a)
{
	write_theirs(a);
	madvise(page_at(arena, any(a, 3) * PMD), PMD * page_size, MADV_PAGEOUT);
	madvise(page_at(arena, MINE), THEIRS * page_size, MADV_PAGEOUT);
	check_and_drop_theirs(a);
}

static void use_swap(struct __test_metadata *_metadata, struct actor *a)
{
	(void)a;
	ASSERT_TRUE(swap_on(16384));
}

/* A page of this thread's, which another one may have dropped since. */
static void check_or_dropped(struct actor *a, size_t page)
{
	uint64_t found = word_of(page_at(arena, page), any(a, 2));

	if (found)
		check(a, page, written_word(page, a->rounds), found);
}

static void drop_soon(struct actor *a, size_t page, size_t nr, useconds_t time)
{
	usleep(any(a, time));
	drop(a, page, nr);
}

/* Two of them: one brings back what the other drops meanwhile. */
static void swap_in_vain(struct actor *a)
{
	size_t page = MINE + 8;

	if (a->fd) {
		drop_soon(a, page, 1, 500);
		return;
	}
	set_words(page_at(arena, page), written_word(page, a->rounds));
	madvise(page_at(arena, page), page_size, MADV_PAGEOUT);
	check_or_dropped(a, page);
}

/*
 * Somebody else has what is swapped out, too: then it is read by way of the swap cache, and
 * with what lies beside it in the table.
 */
static void swap_ahead_in_vain(struct actor *a)
{
	static bool reading;	/* else there is nothing in the swap to drop */
	size_t page = MINE + 8, i;
	pid_t pid;

	if (a->fd) {
		if (__atomic_load_n(&reading, __ATOMIC_RELAXED))
			drop_soon(a, page, 8, 500);
		else
			usleep(50);
		return;
	}
	for (i = page; i < page + 8; i++)
		set_words(page_at(arena, i), written_word(i, a->rounds));
	madvise(page_at(arena, page), 8 * page_size, MADV_PAGEOUT);
	pid = child();
	if (!pid)
		for (;;)
			pause();
	__atomic_store_n(&reading, true, __ATOMIC_RELAXED);
	for (i = page; i < page + 8; i++)
		check_or_dropped(a, i);
	__atomic_store_n(&reading, false, __ATOMIC_RELAXED);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void use_swap_ahead(struct __test_metadata *_metadata, struct actor *a)
{
	use_swap(_metadata, a);
	ASSERT_EQ(0, setting("/proc/sys/vm/page-cluster", "5"));
}

/* Two of them: one uses a page from both nodes in turn, which the other drops. */
static void hint(struct actor *a)
{
	size_t page = MINE + 8;
	int i;

	if (a->fd) {
		drop_soon(a, page, 1, 2000);
		return;
	}
	set_words(page_at(arena, page), written_word(page, a->rounds));
	pin_cpu(a->rounds / 16 % 2 ? sysconf(_SC_NPROCESSORS_ONLN) - 1 : 0);
	for (i = 0; i < 100; i++)
		check_or_dropped(a, page);
}

static void scan_for_hints(struct __test_metadata *_metadata, struct actor *a)
{
	want_two_nodes(_metadata, a);
	ASSERT_EQ(0, balance_often());
}

#define LRU_GEN "/sys/kernel/debug/lru_gen"

/* A new generation of the first node's pages, for which the tables are walked. */
static void age(struct actor *a)
{
	unsigned long newest = 0, generation;
	FILE *f = fopen(LRU_GEN, "re");
	int memcg = 0, node = -1;
	char line[256], path[2];

	write_theirs(a);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "memcg %d %1s", &memcg, path) == 2)
			continue;
		/* of the root, which is the first */
		if (sscanf(line, " node %d", &node) == 1 && node)
			break;
		if (sscanf(line, " %lu", &generation) == 1)
			newest = generation;
	}
	if (f)
		fclose(f);
	snprintf(line, sizeof(line), "+ %d 0 %lu 1 1", memcg, newest);
	/* not if there is a new one already */
	a->effects += !write_file(LRU_GEN, line);
	check_and_drop_theirs(a);
}

static void use_generations(struct __test_metadata *_metadata, struct actor *a)
{
	(void)a;
	if (setting("/sys/kernel/mm/lru_gen/enabled", "y"))
		SKIP(return, "this test wants CONFIG_LRU_GEN");
}

/* What has been swapped out is looked for in all tables, and brought back. */
static void swap_no_more(struct actor *a)
{
	write_theirs(a);
	madvise(arena, ALL * page_size, MADV_PAGEOUT);
	must(a, swap_off(), "swapoff");
	must(a, swap_on(16384), "swapon");
	check_and_drop_theirs(a);
}

/* Empty without MADV_DONTNEED, for the shrinker and who asks for it. */
static void free_pages(struct actor *a)
{
	size_t i;

	write_theirs(a);
	check_theirs(a);
	madvise(page_at(arena, MINE), THEIRS * page_size, MADV_FREE);
	madvise(page_at(arena, MINE), THEIRS * page_size, MADV_PAGEOUT);
	for (i = MINE; i < ALL; i += 8) {
		uint64_t word = word_of(page_at(arena, i), true);

		a->effects += !word;
		if (word)
			check(a, i, written_word(i, a->rounds), word);
	}
	drop(a, MINE, THEIRS);
}

static void read_from_outside(struct actor *a)
{
	size_t page = any(a, ALL);
	uint64_t word;
	struct iovec from = { page_at(arena, page), 8 }, to = { &word, 8 };

	must(a, process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 8, "process_vm_readv");
	check_number(a, page, word);
	set_words(page_at(arena, MINE + a->rounds % THEIRS), 0);
	drop(a, MINE, THEIRS);
}

/* A pipe has the page itself, also when its table is gone. */
static void splice_page(struct actor *a)
{
	size_t page = MINE + any(a, THEIRS);
	uint64_t want = written_word(page, a->rounds), word = 0;
	int fd;

	set_words(page_at(arena, page), want);
	fd = hold(page_at(arena, page));
	must(a, fd >= 0, "vmsplice");
	drop(a, MINE, THEIRS);
	must(a, read(fd, &word, 8) == 8, "pipe");
	check(a, page, want, word);
	close(fd);
	/* some page of the zapper */
	page = any(a, MINE);
	fd = hold(page_at(arena, page));
	must(a, fd >= 0 && read(fd, &word, 8) == 8, "vmsplice");
	check_number(a, page, word);
	close(fd);
}

/* Into pages that are not there until the kernel wants to write to them. */
static void read_disk(struct actor *a)
{
	size_t page = MINE + any(a, THEIRS - 8), i;

	must(a, pread(a->fd, page_at(arena, page), 8 * page_size,
		      page * page_size) == 8 * page_size, "direct I/O");
	for (i = 0; i < 8; i++)
		check_page(a, page + i, written_word(page + i, 1));
	drop(a, MINE, THEIRS);
}

static void write_disk(struct __test_metadata *_metadata, struct actor *a)
{
	char size[32], *page = map_new(1);
	size_t i;

	snprintf(size, sizeof(size), "%zu", ALL * page_size);
	write_file("/sys/block/zram0/reset", "1");
	ASSERT_EQ(0, write_file("/sys/block/zram0/disksize", size));
	a->fd = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, a->fd);
	for (i = MINE; i < ALL; i++) {
		set_words(page, written_word(i, 1));
		ASSERT_EQ(page_size, pwrite(a->fd, page, page_size, i * page_size));
	}
}

static void populate(struct actor *a)
{
	size_t i;

	must(a, !madvise(page_at(arena, MINE), THEIRS * page_size, MADV_POPULATE_WRITE),
	     "MADV_POPULATE_WRITE");
	for (i = MINE; i < ALL; i += 4)
		check_page(a, i, 0);
	drop(a, MINE, THEIRS);
}

/* Anywhere in the file; and the end of it, which is theirs. */
static void cut_file(struct actor *a)
{
	size_t page = any(a, MINE);

	write_theirs(a);
	check_theirs(a);
	if (any(a, 2)) {
		must(a, !punch(a->fd, page, 1 + any(a, 600)), "hole");
	} else {
		must(a, !ftruncate(a->fd, MINE * page_size), "truncate");
		must(a, !ftruncate(a->fd, ALL * page_size), "truncate");
	}
}

/* Pages that others have in the file come and go, too: there is no fresh word. */
static void reclaim_file(struct actor *a)
{
	write_theirs(a);
	madvise(arena, MINE * page_size, MADV_PAGEOUT);
	madvise(page_at(arena, MINE), THEIRS * page_size, MADV_PAGEOUT);
	check_and_drop_theirs(a);
}

static void map_arena(struct __test_metadata *_metadata, struct actor *a, int flags)
{
	char *page = map_new(1);
	size_t i;

	a->fd = memfd_create("race", MFD_CLOEXEC);
	ASSERT_LE(0, a->fd);
	ASSERT_EQ(0, ftruncate(a->fd, ALL * page_size));
	for (i = 0; flags == MAP_PRIVATE && i < ALL; i++) {
		set_words(page, fresh_word(i));
		ASSERT_EQ(page_size, pwrite(a->fd, page, page_size, i * page_size));
	}
	ASSERT_EQ(arena, mmap(arena, ALL * page_size, PROT_READ | PROT_WRITE,
			      flags | MAP_FIXED, a->fd, 0));
}

static void share_file(struct __test_metadata *_metadata, struct actor *a)
{
	map_arena(_metadata, a, MAP_SHARED);
}

static void share_and_swap(struct __test_metadata *_metadata, struct actor *a)
{
	ASSERT_TRUE(swap_on(16384));
	share_file(_metadata, a);
}

static void share_and_watch(struct __test_metadata *_metadata, struct actor *a)
{
	share_file(_metadata, a);
	watch_writes(_metadata, a);
}

static void share_and_mark(struct __test_metadata *_metadata, struct actor *a)
{
	long fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	a->data = (void *)fd;
	share_and_watch(_metadata, a);
}

static void copy_file(struct __test_metadata *_metadata, struct actor *a)
{
	map_arena(_metadata, a, MAP_PRIVATE);
}

static void collapse_table(struct actor *a)
{
	char *table = page_at(arena, any(a, 3) * PMD);

	write_theirs(a);
	a->effects += !madvise(table, PMD * page_size, MADV_COLLAPSE);
	check_and_drop_theirs(a);
}

/* No folio, and no huge page but by MADV_COLLAPSE. */
static void allow_huge(struct __test_metadata *_metadata, struct actor *a)
{
	(void)a;
	if (!huge_here())
		SKIP(return, NO_HUGE);
	map(arena, ALL);
	enable_orders(0);
	thp_mode("madvise");
	/* a table is worth it if there is anything in it */
	ASSERT_EQ(0, setting(THP "khugepaged/max_ptes_none", "511"));
}

/* The huge page of the file is split again by a hole. */
static void collapse_file(struct actor *a)
{
	size_t first = any(a, 3) * PMD;

	write_theirs(a);
	must(a, !punch(a->fd, first, 1), "hole");
	a->effects += !madvise(page_at(arena, first), PMD * page_size, MADV_COLLAPSE);
	check_and_drop_theirs(a);
}

static void share_and_collapse(struct __test_metadata *_metadata, struct actor *a)
{
	if (!huge_here())
		SKIP(return, NO_HUGE);
	share_file(_metadata, a);
}

static long pages_collapsed(void)
{
	return number_in(THP "khugepaged/pages_collapsed", NULL);
}

static void use_huge(struct __test_metadata *_metadata, struct actor *a)
{
	if (!huge_here())
		SKIP(return, NO_HUGE);
	a->data = (void *)pages_collapsed();
	map(arena, ALL);
	thp_mode("always");
	enable_orders(ORDER(pmd_order) | ORDER(4));
	setting(THP "khugepaged/scan_sleep_millisecs", "5");
	setting(THP "khugepaged/pages_to_scan", "4096");
	ASSERT_EQ(0, madvise(arena, ALL * page_size, MADV_HUGEPAGE));
}

static void use_theirs(struct actor *a)
{
	write_theirs(a);
	usleep(any(a, 2000));
	check_and_drop_theirs(a);
}

/* Now and then for long enough that khugepaged comes by. */
static void wait_for_khugepaged(struct actor *a)
{
	write_theirs(a);
	usleep(any(a, 16) ? any(a, 2000) : 100000);
	check_and_drop_theirs(a);
	a->effects = pages_collapsed() - (long)a->data;
}

static void use_folio(struct actor *a)
{
	write_theirs(a);
	a->effects += folio_order(page_at(arena, MINE)) > 0;
	check_and_drop_theirs(a);
}

static void use_folios(struct __test_metadata *_metadata, struct actor *a)
{
	(void)a;
	if (size_mode(MIN_ORDER, "always"))
		SKIP(return, "this test wants CONFIG_LARGE_ANON_FOLIO");
	map(arena, ALL);
	enable_orders(DEFAULT_ORDERS);
}

static void lock(struct actor *a)
{
	char *theirs = page_at(arena, MINE);
	size_t len = THEIRS * page_size;

	write_theirs(a);
	must(a, !(any(a, 2) ? mlock(theirs, len) : mlock2(theirs, len, MLOCK_ONFAULT)), "mlock");
	check_theirs(a);
	must(a, !munlock(theirs, len), "munlock");
	check_and_drop_theirs(a);
}

/* Theirs are read-only, or nothing at all, for a while; all are executable, too. */
static void protect(struct actor *a)
{
	char *theirs = page_at(arena, MINE);
	size_t len = THEIRS * page_size;
	int rw = PROT_READ | PROT_WRITE;

	write_theirs(a);
	must(a, !mprotect(theirs, len, any(a, 2) ? PROT_NONE : PROT_READ), "mprotect");
	must(a, !mprotect(arena, MINE * page_size, rw | PROT_EXEC), "mprotect");
	must(a, !mprotect(theirs, len, rw | PROT_EXEC), "mprotect");
	check_theirs(a);
	must(a, !mprotect(arena, ALL * page_size, rw), "mprotect");
	check_and_drop_theirs(a);
}

/* Of the process that these are children of. */
static void ask_for_it(struct actor *a)
{
	must(a, !reclaim_tables_of(getppid(), "1"), "reclaim_pte_tables");
}

static void shrink_all(struct actor *a)
{
	(void)a;
	shrink();
}

static void reclaim_cgroup(struct actor *a)
{
	(void)a;
	cgroup_set("memory.reclaim", "64M");
}

static void use_cgroup(struct __test_metadata *_metadata, struct actor *a)
{
	(void)a;
	if (!cgroup_here())
		SKIP(return, NO_CGROUP);
	ASSERT_TRUE(cgroup_create());
	ASSERT_TRUE(cgroup_enter());
}

/*
 * The zapper against one of them
 */

struct opponent {
	void (*act)(struct actor *a);
	void (*setup)(struct __test_metadata *_metadata, struct actor *a);
	void (*process)(struct actor *a);	/* somebody else does that all the time */
	const char *mode;	/* "3" */
	const char *event;	/* of /proc/vmstat, that is an effect of the act */
	const char *thread;	/* of the kernel, that walks the tables; else the first of them */
	int threads;		/* 1 */
	bool effect;		/* it has to have one: act counts it, or the event */
	bool loose, keeps;
	uint64_t fresh;
};

static void __attribute__((noreturn)) repeat(void (*act)(struct actor *a))
{
	struct actor a = { .act = act };

	for (; !a.wrong; a.rounds++)
		act(&a);
	_exit(1);
}

/* Who walks the tables then finds them gone more often than he would by himself. */
static bool let_be_late(const struct opponent *o, struct actor *a)
{
	pid_t tid;

	if (o->thread)
		return late_begin(kernel_thread(o->thread));
	do {
		tid = __atomic_load_n(&a->tid, __ATOMIC_RELAXED);
	} while (!tid);
	return late_begin(tid);
}

static bool wait_for_empty(const struct tables *was)
{
	int try;

	for (try = 0; try < 30 && tables_since(was).empty; try++)
		usleep(100000);
	return try < 30;
}

/* Of all the opponents so far, and what the event was before them. */
static unsigned long effects_of(const struct opponent *o, const struct actor *actors)
{
	unsigned long effects = o->event ? vmstat(o->event) : 0;
	int i;

	for (i = 0; i < (o->threads ?: 1); i++)
		effects += __atomic_load_n(&actors[i].effects, __ATOMIC_RELAXED);
	return effects;
}

#define MORE_ROUNDS	20	/* of two seconds, where the opponent has had no effect yet */

static void against(struct __test_metadata *_metadata, const struct opponent *o)
{
	struct actor zapper = { .act = zap }, actors[2] = {};
	int threads = o->threads ?: 1, i, status, more = MORE_ROUNDS;
	unsigned long effects;
	struct tables was, now;
	long without_entries, overtaken = -1;
	pid_t pid = 0;

	if (!reclaim_begin(o->mode ?: "3"))
		SKIP(return, NO_RECLAIM);
	loose = o->loose;
	keeps = o->keeps;
	fresh = o->fresh;
	arena = map_small(ALL);
	for (i = 0; i < threads; i++) {
		actors[i].act = o->act;
		actors[i].fd = i;
	}
	tables_keep_upper(arena);
	EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
	without_entries = tables_without_entries();
	tables_read(&was);
	if (o->setup)
		o->setup(_metadata, actors);
	if (_metadata->skip || !_metadata->passed)
		return;
	if (o->process) {
		pid = child();
		if (!pid)
			repeat(o->process);
	}
	effects = effects_of(o, actors);
	/* the opponents are the last to stop: the zapper may wait for one */
	actors_start(actors, threads);
	do {
		act_for(&zapper, 1, 2);
	} while (o->effect && effects_of(o, actors) == effects && more--);
	if (let_be_late(o, actors)) {
		act_for(&zapper, 1, 2);
		overtaken = late_end();
	}
	actors_stop(actors, threads);
	effects = effects_of(o, actors) - effects;
	EXPECT_EQ(0, zapper.wrong);
	for (i = 0; i < threads; i++)
		EXPECT_EQ(0, actors[i].wrong);
	if (pid) {
		EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	now = tables_since(&was);
	TH_LOG("%lu rounds, %lu of the opponent; %ld freed in place, %ld otherwise; %ld refilled",
	       zapper.rounds, actors[0].rounds, now.inplace, now.shrinker, now.refilled);
	if (o->effect || o->event)
		TH_LOG("the opponent had an effect %lu times", effects);
	if (overtaken >= 0)
		TH_LOG("the opponent has lost a table %ld times", overtaken);
	/* else nothing was tried here */
	EXPECT_LT(0, now.inplace + now.shrinker);
	if (o->effect)
		EXPECT_LT(0, effects);
	munmap(arena, ALL * page_size);
	/* what the opponent has left elsewhere */
	EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
	EXPECT_TRUE(wait_for_empty(&was)) {
		TH_LOG("%ld empty tables are left", tables_since(&was).empty);
	}
	EXPECT_EQ(without_entries, tables_without_entries());
}

#define AGAINST(name, ...)					\
	TEST_F(stock, name)					\
	{							\
		const struct opponent o = { __VA_ARGS__ };	\
								\
		against(_metadata, &o);				\
	}

AGAINST(faults, .act = zap_small, .threads = 2)
AGAINST(zaps, .act = zap_all, .threads = 2, .loose = true)
AGAINST(folios, .act = use_folio, .setup = use_folios, .effect = true)
AGAINST(populated, .act = populate)
AGAINST(smaps, .act = read_smaps)
AGAINST(numa_maps, .act = read_numa_maps)
AGAINST(pagemap, .act = read_pagemap, .setup = open_pagemap)
AGAINST(refs_cleared, .act = clear_refs)
AGAINST(in_core, .act = look_in_core)
AGAINST(ksm, .act = be_alike, .thread = "ksmd", .setup = start_ksm, .effect = true)
AGAINST(uffd_missing, .act = fill_missing, .setup = watch_missing, .fresh = 3ULL << 60,
	.effect = true)
AGAINST(uffd_zero, .act = fill_missing, .setup = watch_missing, .effect = true)
AGAINST(uffd_wp, .act = protect_and_not, .setup = watch_writes, .effect = true)
AGAINST(uffd_markers, .act = protect_and_not, .setup = share_and_watch, .keeps = true,
	.effect = true)
AGAINST(uffd_marked, .act = mark_and_look, .setup = share_and_mark, .keeps = true)
AGAINST(moved, .act = move, .setup = make_room)
AGAINST(unmapped, .act = map_again)
AGAINST(forked, .act = fork_and_check)
AGAINST(migrated, .act = migrate, .setup = want_two_nodes, .effect = true)
AGAINST(compacted, .act = compact, .event = "pgmigrate_success")
AGAINST(swapped, .act = swap_pages, .setup = use_swap, .event = "pswpin", .effect = true)
AGAINST(swapped_in_vain, .act = swap_in_vain, .setup = use_swap, .threads = 2,
	.event = "pswpin", .effect = true)
AGAINST(swapped_ahead, .act = swap_ahead_in_vain, .setup = use_swap_ahead, .threads = 2,
	.event = "swap_ra", .effect = true)
AGAINST(numa_hints, .act = hint, .setup = scan_for_hints, .threads = 2,
	.event = "numa_hint_faults", .effect = true)
AGAINST(aged, .act = age, .setup = use_generations, .effect = true)
AGAINST(swapoff, .act = swap_no_more, .setup = use_swap, .event = "pswpin", .effect = true)
AGAINST(freed, .act = free_pages, .process = shrink_all, .effect = true)
AGAINST(vm_readv, .act = read_from_outside)
AGAINST(spliced, .act = splice_page)
AGAINST(direct_io, .act = read_disk, .setup = write_disk)
AGAINST(file_cut, .act = cut_file, .setup = share_file, .loose = true, .keeps = true)
AGAINST(file_copied, .act = use_theirs, .setup = copy_file, .fresh = 3ULL << 60)
AGAINST(file_reclaimed, .act = reclaim_file, .setup = share_and_swap, .keeps = true,
	.event = "pswpout", .effect = true)
AGAINST(file_collapsed, .act = collapse_file, .setup = share_and_collapse, .loose = true,
	.keeps = true, .effect = true)
AGAINST(collapsed, .act = collapse_table, .setup = allow_huge, .effect = true)
AGAINST(khugepaged, .act = wait_for_khugepaged, .thread = "khugepaged", .setup = use_huge,
	.effect = true)
AGAINST(locked, .act = lock)
AGAINST(protected, .act = protect)
AGAINST(asked_for, .act = zap_small, .process = ask_for_it)
AGAINST(asked_for_only, .act = free_pages, .process = ask_for_it, .mode = "0", .effect = true)
AGAINST(shrinker, .act = zap_small, .process = shrink_all, .mode = "1")
AGAINST(cgroup, .act = zap_small, .setup = use_cgroup, .process = reclaim_cgroup, .mode = "1")

/*
 * The end of a process
 */

/* As long as it is there. */
static void ask_for_that(struct actor *a)
{
	reclaim_tables_of(a->fd, "1");
}

/* By its own exit, by a signal, and reaped by somebody else as the OOM killer's are. */
TEST_F(stock, exit)
{
	struct actor asker = { .act = ask_for_that };
	unsigned long rounds, reaped = 0;
	struct tables was;
	double end;

	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	tables_read(&was);
	end = after(4);
	for (rounds = 0; seconds() < end; rounds++) {
		useconds_t time = rnd(20000);
		pid_t pid = child();
		int fd, status;

		if (!pid) {
			struct actor actors[] = {
				{ .act = zap }, { .act = zap_small }, { .act = zap_small, .fd = 1 },
			};

			arena = map_small(ALL);
			actors_start(actors, 3);
			usleep(time);
			if (actors[0].wrong || actors[1].wrong || actors[2].wrong)
				_exit(1);
			if (rounds % 3 == 0)
				_exit(0);
			for (;;)
				pause();
		}
		usleep(2000 + time);
		fd = syscall(__NR_pidfd_open, pid, 0);
		asker.fd = pid;
		actors_start(&asker, 1);
		if (rounds % 3)
			kill(pid, SIGKILL);
		if (rounds % 3 == 2)
			reaped += !syscall(__NR_process_mrelease, fd, 0);
		actors_stop(&asker, 1);
		close(fd);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(rounds % 3 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL :
					 WIFEXITED(status) && !WEXITSTATUS(status));
	}
	TH_LOG("%lu processes, %lu of them reaped", rounds, reaped);
	EXPECT_LT(0, reaped);
	EXPECT_LT(0, tables_since(&was).inplace);
	EXPECT_TRUE(wait_for_empty(&was));
}
