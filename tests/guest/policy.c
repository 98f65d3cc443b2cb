// SPDX-License-Identifier: GPL-2.0
/*
 * hugepages-<size>kB/enabled: the boot default, what each mode means, and what
 * the files take and show.
 */
#include <dirent.h>

#include "lib/fixture.h"

static const char * const modes[] = { "always", "inherit", "madvise", "never" };

/* A fault in fresh memory that holds two folios of @order; advice -1: none. */
static int order_of_fault(int order, int advice)
{
	size_t pages = 2UL << order;
	char *vma = map_new(pages);
	int found;

	if (advice >= 0)
		madvise(vma, pages * page_size, advice);
	touch(page_at(vma, 1));
	found = mapped_order(page_at(vma, 1));
	munmap(vma, pages * page_size);
	return found;
}

#define EXPECT_FAULT_ORDER(want, order, advice, note, ...) \
	EXPECT_ORDER_NOTE(want, order_of_fault(order, advice), " (" note ")", ##__VA_ARGS__)

static void expect_text(struct __test_metadata *_metadata, const char *path,
			const char *want)
{
	char text[128] = "";

	read_file(path, text, sizeof(text));
	EXPECT_STREQ(want, text) {
		TH_LOG("%s", path);
	}
}

/* mainline's text, with the chosen mode in brackets */
static const char *shown(const char *mode)
{
	static char text[64];
	int i, len = 0;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		len += sprintf(text + len, strcmp(modes[i], mode) ? "%s " : "[%s] ",
			       modes[i]);
	text[len - 1] = '\0';
	return text;
}

/* First in the first program: nobody has set anything since the boot. */
TEST_F(laf, boot_default)
{
	int order;

	/* Less than 512 MB switches transparent huge pages off. */
	ASSERT_LE(512 << 10, meminfo("MemTotal"));
	expect_text(_metadata, THP "enabled", "[always] madvise never");
	ASSERT_LE(4, pmd_order);
	EXPECT_FAULT_ORDER(4, 4, -1, "the default policy");
	EXPECT_FAULT_ORDER(4, 6, -1, "the default policy");
	EXPECT_FAULT_ORDER(pmd_order, pmd_order, -1, "the default policy");
	if (!_metadata->passed)
		return;		/* the rest is about files */
	for (order = MIN_ORDER; order <= pmd_order; order++) {
		bool on = order <= 4 || order == pmd_order;

		expect_text(_metadata, size_file(order, "enabled"),
			    shown(on ? "inherit" : "never"));
	}
}

static bool allowed(const char *size, const char *top, bool advised)
{
	if (!strcmp(size, "inherit"))
		size = top;
	return !strcmp(size, "always") || (!strcmp(size, "madvise") && advised);
}

/* A size's own mode counts, and only `inherit` looks at the top level. */
TEST_F(laf, modes)
{
	static const char * const tops[] = { "always", "madvise", "never" };
	int order, size, top;

	enable_orders(0);
	for (order = MIN_ORDER; order < pmd_order; order++) {
		for (size = 0; size < ARRAY_SIZE(modes); size++) {
			size_mode(order, modes[size]);
			for (top = 0; top < ARRAY_SIZE(tops); top++) {
				bool plain = allowed(modes[size], tops[top], false);
				bool advised = allowed(modes[size], tops[top], true);

				thp_mode(tops[top]);
				EXPECT_FAULT_ORDER(plain ? order : 0, order, -1,
						   "%s below %s", modes[size], tops[top]);
				EXPECT_FAULT_ORDER(advised ? order : 0, order,
						   MADV_HUGEPAGE, "%s below %s, advised",
						   modes[size], tops[top]);
			}
			EXPECT_FAULT_ORDER(0, order, MADV_NOHUGEPAGE,
					   "%s, MADV_NOHUGEPAGE", modes[size]);
		}
		size_mode(order, "never");
	}
}

/* The PMD size obeys its own file as the others do. */
TEST_F(laf, pmd_size)
{
	thp_mode("always");
	enable_orders(ORDER(8));
	EXPECT_FAULT_ORDER(8, pmd_order, -1, "PMD size never below always");
	thp_mode("never");
	enable_orders(ORDER(pmd_order));
	EXPECT_FAULT_ORDER(pmd_order, pmd_order, -1, "PMD size always below never");
	size_mode(pmd_order, "inherit");
	EXPECT_FAULT_ORDER(0, pmd_order, -1, "PMD size inherits never");
	size_mode(pmd_order, "madvise");
	EXPECT_FAULT_ORDER(pmd_order, pmd_order, MADV_HUGEPAGE, "PMD size madvise");
	EXPECT_FAULT_ORDER(0, pmd_order, -1, "PMD size madvise, not advised");
}

TEST_F(laf, enabled_files)
{
	static const char * const bad[] = {
		"\n", "alway", "alwaysx", "ALWAYS", " always", "always never",
		"[always]", "defer", "1", "0", "advise", "inherit\n\n", "никогда",
	};
	char path[192], text[64];
	int order, i;

	for (order = MIN_ORDER; order <= pmd_order; order++) {
		enable_orders(ORDER(order));
		EXPECT_FAULT_ORDER(order, order, -1, "always");
		if (!_metadata->passed)
			return;		/* the rest is about files */

		snprintf(path, sizeof(path), "%s", size_file(order, "enabled"));
		for (i = 0; i < ARRAY_SIZE(modes); i++) {
			EXPECT_EQ(0, write_file(path, modes[i]));
			expect_text(_metadata, path, shown(modes[i]));
			/* as echo writes it */
			snprintf(text, sizeof(text), "%s\n", modes[i]);
			EXPECT_EQ(0, write_file(path, text));
			expect_text(_metadata, path, shown(modes[i]));
		}
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			const char *was = modes[i % ARRAY_SIZE(modes)];

			EXPECT_EQ(0, write_file(path, was));
			EXPECT_EQ(-EINVAL, write_file(path, bad[i])) {
				TH_LOG("\"%s\" > %s", bad[i], path);
			}
			expect_text(_metadata, path, shown(was));
		}
	}
}

/* One directory for each order from 2 to PMD order, with all of its files. */
TEST_F(laf, directories)
{
	static const char * const files[] = {
		"enabled", "stats/anon_fault_alloc", "stats/anon_fault_fallback",
		"stats/anon_fault_fallback_charge",
	};
	unsigned int found = 0;
	struct dirent *entry;
	size_t kb;
	DIR *dir;
	int i, order;

	enable_orders(ORDER(2));
	EXPECT_FAULT_ORDER(2, 2, -1, "the smallest size");
	if (!_metadata->passed)
		return;		/* the rest is about files */
	dir = opendir(THP);
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "hugepages-%zukB", &kb) == 1)
			found |= kb << 10 >> __builtin_ctzl(page_size);
	closedir(dir);
	/* a size in pages is its order's bit */
	EXPECT_EQ(large_orders() | ORDER(pmd_order), found);
	for (order = MIN_ORDER; order <= pmd_order; order++) {
		for (i = 0; i < ARRAY_SIZE(files); i++) {
			EXPECT_EQ(0, access(size_file(order, files[i]), R_OK)) {
				TH_LOG("no %s", size_file(order, files[i]));
			}
		}
	}
}
