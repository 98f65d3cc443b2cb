// SPDX-License-Identifier: GPL-2.0
/* DAMON sees accesses to all pages of a folio, not only to the first. */
#include <pthread.h>

#include "lib/fixture.h"

#define ADMIN "/sys/kernel/mm/damon/admin/kdamonds/"
#define CONTEXT ADMIN "0/contexts/0/"
#define SCHEME CONTEXT "schemes/0/"

#define PAGES 256

static bool stop;

/* Protection changes flush the TLB: without that no access shows in a PTE. */
static void *use(void *vma)
{
	size_t i;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		mprotect(vma, PAGES * page_size, PROT_READ);
		mprotect(vma, PAGES * page_size, PROT_READ | PROT_WRITE);
		for (i = 0; i < PAGES; i++)
			touch(page_at(vma, i));
	}
	return NULL;
}

static bool set_all(char *vma)
{
	char pid[32], start[32], end[32];
	size_t i;
	const struct {
		const char *file, *value;
	} files[] = {
		{ ADMIN "nr_kdamonds", "1" },
		{ ADMIN "0/contexts/nr_contexts", "1" },
		{ CONTEXT "operations", "fvaddr" },
		{ CONTEXT "monitoring_attrs/intervals/sample_us", "10000" },
		{ CONTEXT "monitoring_attrs/intervals/aggr_us", "200000" },
		{ CONTEXT "monitoring_attrs/nr_regions/min", "10" },
		{ CONTEXT "monitoring_attrs/nr_regions/max", "20" },
		{ CONTEXT "targets/nr_targets", "1" },
		{ CONTEXT "targets/0/pid_target", pid },
		{ CONTEXT "targets/0/regions/nr_regions", "1" },
		{ CONTEXT "targets/0/regions/0/start", start },
		{ CONTEXT "targets/0/regions/0/end", end },
		{ CONTEXT "schemes/nr_schemes", "1" },
		{ SCHEME "action", "stat" },
		{ SCHEME "access_pattern/sz/max", "18446744073709551615" },
		{ SCHEME "access_pattern/nr_accesses/min", "10" },
		{ SCHEME "access_pattern/nr_accesses/max", "20" },
		{ SCHEME "access_pattern/age/max", "4294967295" },
		{ ADMIN "0/state", "on" },
	};

	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(start, sizeof(start), "%lu", (unsigned long)vma);
	snprintf(end, sizeof(end), "%lu", (unsigned long)page_at(vma, PAGES));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		int err = write_file(files[i].file, files[i].value);

		if (err) {
			printf("# %s: %d\n", files[i].file, err);
			return false;
		}
	}
	return true;
}

static long tried(void)
{
	char text[32];

	write_file(ADMIN "0/state", "update_schemes_stats");
	return read_file(SCHEME "stats/nr_tried", text, sizeof(text)) > 0 ? atol(text) : -1;
}

/* Regions of which at least every other sample is an access. */
TEST_F(laf, in_use)
{
	char *vma = map_new(PAGES);
	pthread_t thread;
	int i;

	enable_orders(ORDER(4));
	fill(vma, PAGES, 1);
	ASSERT_ORDER(4, vma);
	pthread_create(&thread, NULL, use, vma);
	EXPECT_TRUE(set_all(vma));
	for (i = 0; i < 100 && tried() <= 0; i++)
		usleep(100000);
	EXPECT_LT(0, tried());
	write_file(ADMIN "0/state", "off");
	write_file(ADMIN "nr_kdamonds", "0");
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}
