// SPDX-License-Identifier: GPL-2.0
/*
 * pte: which page tables stay when memory is given back, as one JSON object.
 *
 * A mapping of 50 or 4 GiB that is not aligned to what a table maps is used and
 * given back, 2 MiB at a time, in the ways that programs and the kernel have.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/bench.h"

#define RANGE	(50 * GB)
/* Where every page goes through reclaim or a file: as much as can be waited for. */
#define PART	(4 * GB)
/* To what a folio of 64K is aligned: one that began in what was given back would stay. */
#define ADDRESS	((char *)(1UL << 40) + 192 * KB)
#define FEW	(TABLE / 16)	/* a page in so many bytes */
#define ALL	PAGE
/* Where reclaim gives the memory back: how much may be in use until then. */
#define RECLAIMED	(512 * MB)
/* not where the benchmark lies: that is a tmpfs */
#define FILE_NAME	"/sparse"

static const char *cgroup;

static char *map(int fd, int flags, size_t range)
{
	char *area = mmap(ADDRESS, range, PROT_READ | PROT_WRITE,
			  MAP_FIXED_NOREPLACE | MAP_NORESERVE | flags, fd, 0);

	check(area != ADDRESS, "mmap");
	/* each page by itself: no readahead */
	check(fd >= 0 && madvise(area, range, MADV_RANDOM), "MADV_RANDOM");
	return area;
}

static int sparse_file(int fd, size_t range)
{
	check(fd < 0, "a sparse file");
	check(ftruncate(fd, range), "ftruncate");
	return fd;
}

/* How many blocks of this size the mapping has a part of. */
static uint64_t blocks(size_t range, size_t size)
{
	uintptr_t start = (uintptr_t)ADDRESS;

	return (start + range - 1) / size - start / size + 1;
}

/* kB of the tables that what is mapped needs, and of the two levels above them. */
static uint64_t needed(size_t range)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t tables = blocks(range, 512 * TABLE) + blocks(range, 512UL * 512 * TABLE);
	off_t offset = (uintptr_t)ADDRESS / TABLE * (TABLE / PAGE) * sizeof(uint64_t);
	uint64_t entries[TABLE / PAGE];

	check(fd < 0, "pagemap");
	for (uint64_t left = blocks(range, TABLE); left; left--) {
		size_t i = 0;

		check(pread(fd, entries, sizeof(entries), offset) != sizeof(entries), "pagemap");
		offset += sizeof(entries);
		while (i < ARRAY_SIZE(entries) && !(entries[i] >> 62))
			i++;
		tables += i < ARRAY_SIZE(entries);
	}
	close(fd);
	return tables * (PAGE / KB);
}

static void reclaim(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.reclaim", cgroup);
	/* asks for more than there is, so that nothing is left: it fails then */
	for (int i = 0; i < 3; i++)
		write_file(path, "1G");
}

static void drop_slab(void)
{
	sync();
	for (int i = 0; i < 2; i++)
		check(!write_file("/proc/sys/vm/drop_caches", "2"), "drop_caches");
}

static void dontneed(char *area, int fd, size_t offset)
{
	check(madvise(area + offset, TABLE, MADV_DONTNEED), "MADV_DONTNEED");
}

static void lazyfree(char *area, int fd, size_t offset)
{
	check(madvise(area + offset, TABLE, MADV_FREE), "MADV_FREE");
	if (!((offset + TABLE) % RECLAIMED))
		reclaim();
}

static void punch(char *area, int fd, size_t offset)
{
	check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, TABLE),
	      "fallocate");
}

static void page_cache(char *area, int fd, size_t offset)
{
	if (!((offset + TABLE) % RECLAIMED))
		reclaim();
}

/* The touch of a file only reads: nothing is to be written back. */
static void look(volatile char *area, size_t size, size_t step)
{
	for (size_t offset = 0; offset < size; offset += step)
		(void)area[offset];
}

enum file { NONE, SHMEM, DISK };

static const struct {
	const char *key;
	void (*give_back)(char *area, int fd, size_t offset);
	size_t step;
	enum file file;
	size_t range;
} ways[] = {
	{ "dontneed_few",	dontneed,	FEW,	NONE,	RANGE },
	{ "dontneed_all",	dontneed,	ALL,	NONE,	RANGE },
	{ "free_few",		lazyfree,	FEW,	NONE,	RANGE },
	{ "free_all",		lazyfree,	ALL,	NONE,	PART },
	{ "punch_few",		punch,		FEW,	SHMEM,	RANGE },
	{ "punch_all",		punch,		ALL,	SHMEM,	PART },
	{ "file_few",		page_cache,	FEW,	DISK,	RANGE },
	{ "file_all",		page_cache,	ALL,	DISK,	PART },
};

static int open_file(enum file file, size_t range)
{
	int fd;

	if (file == NONE)
		return -1;
	if (file == SHMEM)
		return sparse_file(memfd_create("sparse", MFD_CLOEXEC), range);
	fd = sparse_file(open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), range);
	unlink(FILE_NAME);
	return fd;
}

int main(void)
{
	uint64_t before;

	cgroup = cgroup_create();
	cgroup_enter(cgroup);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		size_t range = ways[i].range;
		int fd = open_file(ways[i].file, range);
		char *area = map(fd, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, range);

		drop_slab();
		before = read_number("/proc/self/status", "VmPTE:");
		for (size_t offset = 0; offset < range; offset += TABLE) {
			if (ways[i].file == DISK)
				look(area + offset, TABLE, ways[i].step);
			else
				touch(area + offset, TABLE, ways[i].step);
			ways[i].give_back(area, fd, offset);
		}
		printf("%c\"%s\":%ju", i ? ',' : '{', ways[i].key,
		       read_number("/proc/self/status", "VmPTE:") - before);
		drop_slab();
		printf(",\"%s_dropped\":%ju", ways[i].key,
		       read_number("/proc/self/status", "VmPTE:") - before);
		printf(",\"%s_needed\":%ju", ways[i].key, needed(range));
		fflush(stdout);
		check(munmap(area, range), "munmap");
		close(fd);
	}
	puts("}");
	cgroup_remove(cgroup);
	return 0;
}
