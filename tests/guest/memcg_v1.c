// SPDX-License-Identifier: GPL-2.0
/*
 * A task of a v1 memory cgroup takes its charges along. Those of large folios
 * stay, as the document of v1 says, and no counter is wrong by that.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/fixture.h"

#define ROOT	"/tmp/memcg-v1/"
#define LARGE	256
#define SMALL	64

static long value(const char *file)
{
	char text[64];

	return read_file(file, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : -1;
}

TEST_F(laf, move_charge)
{
	char *large = map_new(LARGE), *small = map_new(SMALL), pid_text[16];
	long size = LARGE * page_size;
	long moved;
	pid_t pid;

	enable_orders(ORDER(4));
	fill(large, 16, 1);
	ASSERT_ORDER(4, large);
	madvise(large, size, MADV_DONTNEED);

	/* the v2 hierarchy has to let go of its last cgroup first */
	mkdir(ROOT, 0755);
	for (int try = 0; try < 50; try++) {
		if (!mount("none", ROOT, "cgroup", 0, "memory"))
			break;
		usleep(100000);
	}
	ASSERT_EQ(0, mkdir(ROOT "old", 0755));
	ASSERT_EQ(0, mkdir(ROOT "new", 0755));
	EXPECT_EQ(0, write_file(ROOT "new/memory.move_charge_at_immigrate", "1"));

	pid = child();
	if (!pid) {
		bool ok = !write_file(ROOT "old/cgroup.procs", "0");

		fill(large, LARGE, 1);
		enable_orders(0);
		fill(small, SMALL, 2);
		ok &= folio_order(large) == 4 && folio_order(small) == 0;
		drain();
		raise(SIGSTOP);
		ok &= folio_order(large) == 4;
		_exit(!ok || !holds(large, LARGE, 1) || !holds(small, SMALL, 2));
	}
	waitpid(pid, NULL, WUNTRACED);
	EXPECT_LE(size + SMALL * page_size, number_in(ROOT "old/memory.stat", "rss"));

	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	HITS_BEGIN("mem_cgroup_move_charge_pte_range");
	HITS_BEGIN("mem_cgroup_move_account");
	EXPECT_EQ(0, write_file(ROOT "new/cgroup.procs", pid_text));
	EXPECT_HITS("mem_cgroup_move_charge_pte_range");
	/* once a small page, never for one of a folio */
	moved = hits_end("mem_cgroup_move_account");
	TH_LOG("mem_cgroup_move_account: %ld hits", moved);
	EXPECT_LE(SMALL, moved);
	EXPECT_GT(LARGE, moved);
	TH_LOG("%ld kB stayed, %ld kB moved", number_in(ROOT "old/memory.stat", "rss") >> 10,
	       number_in(ROOT "new/memory.stat", "rss") >> 10);
	EXPECT_LE(size, number_in(ROOT "old/memory.stat", "rss"));
	EXPECT_LE(size, value(ROOT "old/memory.usage_in_bytes"));
	EXPECT_LE(SMALL * page_size, number_in(ROOT "new/memory.stat", "rss"));
	EXPECT_GT(size, number_in(ROOT "new/memory.stat", "rss"));
	EXPECT_EQ(0, number_in(ROOT "old/memory.stat", "rss_huge"));
	EXPECT_EQ(0, number_in(ROOT "new/memory.stat", "rss_huge"));

	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, number_in(ROOT "old/memory.stat", "rss"));
	EXPECT_EQ(0, number_in(ROOT "new/memory.stat", "rss"));
	for (int try = 0; try < 50 && rmdir(ROOT "old"); try++)
		usleep(100000);
	for (int try = 0; try < 50 && rmdir(ROOT "new"); try++)
		usleep(100000);
	EXPECT_EQ(0, umount(ROOT));
}
