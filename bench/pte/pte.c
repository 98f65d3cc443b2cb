// SPDX-License-Identifier: GPL-2.0
/*
 * pte: which page tables stay when memory is given back, as one JSON object.
 *
 * A mapping of 50 GiB that is not aligned to what a table maps is used and given
 * back, 2 MiB at a time, in the ways that programs and the kernel have.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/bench.h"

#define RANGE	(50 * GB)
/* To what a folio of 64K is aligned: one that began in what was given back would stay. */
#define ADDRESS	((char *)(1UL << 40) + 192 * KB)
#define FEW	(TABLE / 16)	/* a page in so many bytes */
#define ALL	PAGE
/* Where reclaim gives the memory back: how much may be in use until then. */
#define RECLAIMED	(512 * MB)
/* not where the benchmark lies: that is a tmpfs */
#define FILE_NAME	"/sparse"

static const char *cgroup;

static char *map(int fd, int flags)
{
	char *area = mmap(ADDRESS, RANGE, PROT_READ | PROT_WRITE,
			  MAP_FIXED_NOREPLACE | MAP_NORESERVE | flags, fd, 0);

	check(area != ADDRESS, "mmap");
	/* each page by itself: no readahead */
	check(fd >= 0 && madvise(area, RANGE, MADV_RANDOM), "MADV_RANDOM");
	return area;
}

static int sparse_file(int fd)
{
	check(fd < 0, "a sparse file");
	check(ftruncate(fd, RANGE), "ftruncate");
	return fd;
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
} ways[] = {
	{ "dontneed_few",	dontneed,	FEW,	NONE },
	{ "dontneed_all",	dontneed,	ALL,	NONE },
	{ "free_few",		lazyfree,	FEW,	NONE },
	{ "punch_few",		punch,		FEW,	SHMEM },
	{ "file_few",		page_cache,	FEW,	DISK },
};

static int open_file(enum file file)
{
	int fd;

	if (file == NONE)
		return -1;
	if (file == SHMEM)
		return sparse_file(memfd_create("sparse", MFD_CLOEXEC));
	fd = sparse_file(open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	unlink(FILE_NAME);
	return fd;
}

int main(void)
{
	uint64_t before;

	cgroup = cgroup_create();
	cgroup_enter(cgroup);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		int fd = open_file(ways[i].file);
		char *area = map(fd, fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

		drop_slab();
		before = read_number("/proc/self/status", "VmPTE:");
		for (size_t offset = 0; offset < RANGE; offset += TABLE) {
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
		fflush(stdout);
		check(munmap(area, RANGE), "munmap");
		close(fd);
	}
	puts("}");
	cgroup_remove(cgroup);
	return 0;
}
