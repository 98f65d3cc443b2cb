// SPDX-License-Identifier: GPL-2.0
/* Memory under test, and the folios behind it as /proc shows them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

#define PM_PRESENT	(1ULL << 63)
#define PM_SOFT_DIRTY	(1ULL << 55)
#define PM_PFN_MASK	((1ULL << 55) - 1)
#define MAX_PAGES	512	/* of a folio: PMD size with 4K pages */
#define WINDOW		32	/* pages of which flags are read at once */

/*
 * PMD-aligned address space without access. A mapping inside it is a VMA of its
 * own: the neighbours' protection differs, so that they never merge.
 */
char *reserve(size_t pages)
{
	size_t pmd = page_size << pmd_order;
	/* a page is left at both ends */
	char *space = mmap(NULL, (pages + 1) * page_size + pmd, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (space == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return (char *)(((uintptr_t)space + pmd) & ~(pmd - 1));
}

/* Fresh memory at @at, whatever was there. */
char *map(void *at, size_t pages)
{
	char *p = mmap(at, pages * page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

char *map_new(size_t pages)
{
	return map(reserve(pages), pages);
}

char *map_small_at(char *at, size_t pages)
{
	map(at, pages);
	madvise(at, pages * page_size, MADV_NOHUGEPAGE);
	return at;
}

char *map_small(size_t pages)
{
	return map_small_at(reserve(pages), pages);
}

char *page_at(const void *base, size_t n)
{
	return (char *)base + n * page_size;
}

/* One write fault; the page stays all zero. */
void touch(void *page)
{
	*(volatile char *)page = 0;
}

/* @nr entries of an array of 64-bit words in /proc; zero behind its end. */
static void entries(const char *path, uint64_t first, size_t nr, uint64_t *words)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	memset(words, 0, nr * sizeof(*words));
	if (fd < 0 || pread(fd, words, nr * sizeof(*words), first * sizeof(*words)) < 0) {
		printf("Bail out! cannot read %s\n", path);
		exit(1);
	}
	close(fd);
}

static void pagemap(const void *addr, size_t pages, uint64_t *words)
{
	entries("/proc/self/pagemap", (uintptr_t)addr / page_size, pages, words);
}

static uint64_t pfn(uint64_t pagemap_word)
{
	return pagemap_word & PM_PRESENT ? pagemap_word & PM_PFN_MASK : 0;
}

uint64_t pfn_of(const void *addr)
{
	uint64_t word;

	pagemap(addr, 1, &word);
	return pfn(word);
}

/* Of many pages at once: one by one that takes long. */
void pfns_of(const void *addr, size_t pages, uint64_t *pfns)
{
	size_t i;

	pagemap(addr, pages, pfns);
	for (i = 0; i < pages; i++)
		pfns[i] = pfn(pfns[i]);
}

/* Written since 4 went to clear_refs; false where the arch has no such bit. */
bool soft_dirty(const void *addr)
{
	uint64_t word;

	pagemap(addr, 1, &word);
	return word & PM_SOFT_DIRTY;
}

bool pfn_flag(uint64_t pfn, int kpf)
{
	uint64_t flags;

	entries("/proc/kpageflags", pfn, 1, &flags);
	return flags >> kpf & 1;
}

/* @kpf of the page at @addr itself, which must be present. */
bool page_flag(const void *addr, int kpf)
{
	return pfn_flag(pfn_of(addr), kpf);
}

/* The kernel takes its time for each page: no more are read than are needed. */
struct window {
	uint64_t first, flags[WINDOW];
	bool read;
};

static bool is_tail(struct window *w, uint64_t pfn)
{
	uint64_t first = pfn & ~(WINDOW - 1UL);

	if (!w->read || w->first != first) {
		entries("/proc/kpageflags", first, WINDOW, w->flags);
		w->first = first;
		w->read = true;
	}
	return w->flags[pfn - first] >> KPF_COMPOUND_TAIL & 1;
}

/* The folio that holds page @pfn: its order, and its first page in @head. */
static int folio_of(uint64_t pfn, uint64_t *head)
{
	struct window w = { .read = false };
	uint64_t end = pfn + 1;

	*head = pfn;
	while (is_tail(&w, *head))
		--*head;
	while (is_tail(&w, end))
		end++;
	return __builtin_ctzl(end - *head);
}

/* The order of the folio at @addr, -1 where no page is present. */
int folio_order(const void *addr)
{
	uint64_t pfn = pfn_of(addr), head;

	return pfn ? folio_of(pfn, &head) : -1;
}

bool folio_flag(const void *addr, int kpf)
{
	uint64_t flags = 0, head, pfn = pfn_of(addr);

	if (pfn) {
		folio_of(pfn, &head);
		entries("/proc/kpageflags", head, 1, &flags);
	}
	return flags >> kpf & 1;
}

/*
 * The order of the folio at @addr if all of it is mapped at the naturally
 * aligned range around @addr, each page in its place; -2 if not, with a line
 * that says what is out of place; -1 where no page is present.
 */
int mapped_order(const void *addr)
{
	uint64_t words[MAX_PAGES], here = pfn_of(addr), head;
	int order = here ? folio_of(here, &head) : -1;
	size_t i;

	if (order <= 0)
		return order;
	if (head & (ORDER(order) - 1)) {
		printf("# folio of order %d begins at pfn %#lx\n", order, (long)head);
		return -2;
	}
	pagemap((void *)((uintptr_t)addr & ~((page_size << order) - 1)),
		ORDER(order), words);
	for (i = 0; i < ORDER(order); i++) {
		if (pfn(words[i]) == head + i)
			continue;
		printf("# page %zu of a folio of order %d: pfn wanted %#lx, found %#lx\n",
		       i, order, (long)(head + i), (long)pfn(words[i]));
		return -2;
	}
	return order;
}

size_t present(const void *addr, size_t pages)
{
	uint64_t words[MAX_PAGES];
	size_t nr = 0;

	while (pages) {
		size_t i, n = pages < MAX_PAGES ? pages : MAX_PAGES;

		pagemap(addr, n, words);
		for (i = 0; i < n; i++)
			nr += pfn(words[i]) != 0;
		addr = page_at(addr, n);
		pages -= n;
	}
	return nr;
}

/* All of it, though a page may be busy at the first try. */
bool page_out(void *addr, size_t pages)
{
	int try;

	for (try = 0; try < 10 && present(addr, pages); try++) {
		drain();
		if (madvise(addr, pages * page_size, MADV_PAGEOUT))
			return false;
	}
	return !present(addr, pages);
}

/* Likewise: somebody may hold a page for a moment. */
bool collapse(void *addr)
{
	int try;

	for (try = 0; try < 5; try++)
		if (!madvise(addr, PMD * page_size, MADV_COLLAPSE))
			return true;
	return false;
}

int punch(int fd, size_t from, size_t pages)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 from * page_size, pages * page_size);
}
