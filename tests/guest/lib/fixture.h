/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two fixtures of all guest tests, and their main().
 *
 *   laf.*    needs large anonymous folios: on a stock kernel it fails, with a
 *            line "order wanted N, found M" (scripts/test.sh checks that)
 *   stock.*  holds on every kernel
 *
 * Each test runs in a process of its own below a supervisor that puts all
 * settings back, however the test ended, and then wants the kernel's counters
 * to be where they were.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <signal.h>

/* One stream keeps the reports in the order of events. */
#define TH_LOG_STREAM stdout
#include "kselftest_harness.h"
/* for an emulated machine that has its host to share */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240
#include <sys/prctl.h>
#include "lib.h"

#define __ORDER(kind, want, found, note, ...) do {			\
	int __want = (want), __found = (found);				\
	kind##_EQ(__want, __found) {					\
		TH_LOG("order wanted %d, found %d" note,		\
		       __want, __found, ##__VA_ARGS__);			\
	}								\
} while (0)
#define ASSERT_ORDER(want, addr) __ORDER(ASSERT, want, mapped_order(addr), "")
#define EXPECT_ORDER(want, addr) __ORDER(EXPECT, want, mapped_order(addr), "")
/* with a note: a format of its own, and what belongs to it */
#define EXPECT_ORDER_NOTE(want, found, ...) __ORDER(EXPECT, want, found, __VA_ARGS__)

/* What a test shows to be no problem it has to reach: how often it says. */
#define HITS_BEGIN(function) ASSERT_TRUE(hits_begin(function))
#define EXPECT_HITS(function) do {					\
	long __hits = hits_end(function);				\
									\
	TH_LOG("%s: %ld hits", function, __hits);			\
	EXPECT_LT(0, __hits);						\
} while (0)

/* New memory in folios of @order, which is the tag as well; 0: small pages. */
static inline char *filled_order(struct __test_metadata *_metadata, size_t pages,
				 int order)
{
	char *vma = map_new(pages);

	enable_orders(order ? ORDER(order) : 0);
	fill(vma, pages, order);
	ASSERT_ORDER(order, vma);
	ASSERT_ORDER(order, page_at(vma, pages - 1));
	drain();
	return vma;
}

/* Folios of @orders from now on, if there are large ones at all: of 64K for a try. */
static inline void want_folios(struct __test_metadata *_metadata, unsigned int orders)
{
	munmap(filled_order(_metadata, ORDER(4), 4), ORDER(4) * page_size);
	enable_orders(orders);
}

/* All of anonymous memory that is mapped everywhere. */
static inline void swap_out(struct __test_metadata *_metadata, void *vma, size_t pages)
{
	ASSERT_TRUE(page_out(vma, pages));
	EXPECT_EQ(pages, smaps(vma, pages, "Swap") / (page_size >> 10));
}

/* What @pid leaves, however it ended, is put back. */
static int clean_up_after(pid_t pid, int mark, bool *stat_back)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	settings_restore(mark);
	swap_off();
	*stat_back = cgroup_stat_back();
	cgroup_remove();
	return status;
}

/* Returns in a new process that runs the test; the caller never returns. */
static void supervise(struct __test_metadata *_metadata)
{
	int mark = settings_mark(), status;
	struct counters before;
	bool idle = true, stat_back;
	pid_t pid;

	/* An idle round first: memory that this process needs itself is there then. */
	for (;; idle = false) {
		counters_read(&before);
		pid = fork();
		if (!pid && idle)
			_exit(0);
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			return;
		}
		status = clean_up_after(pid, mark, &stat_back);
		if (!idle)
			break;
	}
	if (!counters_back(&before, 50) || !stat_back) {
		TH_LOG("counters did not come back");
		_exit(_metadata->step);
	}
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

FIXTURE(laf) {
};

FIXTURE_SETUP(laf)
{
	supervise(_metadata);
}

FIXTURE_TEARDOWN(laf)
{
}

FIXTURE(stock) {
};

FIXTURE_SETUP(stock)
{
	supervise(_metadata);
}

FIXTURE_TEARDOWN(stock)
{
}

static void restore_all(void)
{
	settings_restore(0);
}

/* Leaves only the tests whose name is @name, if any; no time limit for a soak. */
static bool select_tests(const char *name)
{
	struct __fixture_metadata *f;
	struct __test_metadata *t, *next;
	bool found = false;

	for (f = __fixture_list; f; f = f->next) {
		t = f->tests;
		f->tests = NULL;
		for (; t; t = next) {
			next = t->next;
			if (longer)
				t->timeout = 0;
			if (name && strcmp(t->name, name))
				continue;
			__register_test(t);
			found = true;
		}
	}
	return found;
}

/*
 * Stack and heap that helpers will want. A test inherits them from main(), so
 * that it has no anonymous faults but its own, which it may count.
 */
static void warm_up(void)
{
	volatile char stack[256 << 10];
	char *heap = malloc(64 << 10);
	size_t i;

	for (i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 1;
	memset(heap, 1, 64 << 10);
	free(heap);
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	uint64_t seed = 1;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "ls:t:")) != -1) {
		switch (opt) {
		case 'l':
			longer = true;
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			name = optarg;
			break;
		default:
			fprintf(stderr, "usage: %s [-l] [-s seed] [-t test]\n", argv[0]);
			return 2;
		}
	}
	if (!select_tests(name)) {
		fprintf(stderr, "%s: -t %s: no such test\n", argv[0], name);
		return 2;
	}
	warm_up();
	policy_init();
	settings_init();
	atexit(restore_all);
	seed_random(seed);
	/* It would collapse what the tests want to see in small folios. */
	setting(THP "khugepaged/scan_sleep_millisecs", "4000000000");
	return test_harness_run(argc, argv);
}

#endif
