// SPDX-License-Identifier: GPL-2.0
/* The sizes of anonymous folios: which ones the kernel may use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "lib.h"

size_t page_size;
int pmd_order;

void policy_init(void)
{
	page_size = getpagesize();
	/* a table's, also where there are no huge pages */
	pmd_order = __builtin_ctzl(page_size / sizeof(uint64_t));
	if (pmd_order > MAX_ORDER) {
		printf("Bail out! these tests are for 4K pages\n");
		exit(1);
	}
}

bool huge_here(void)
{
	return !access(THP "enabled", F_OK);
}

bool mte_on(void)
{
#ifdef __aarch64__
	return getauxval(AT_HWCAP2) & (1UL << 18);	/* HWCAP2_MTE */
#else
	return false;
#endif
}

/* Valid until the next call. */
const char *size_file(int order, const char *name)
{
	static char path[192];

	snprintf(path, sizeof(path), THP "hugepages-%zukB/%s",
		 (page_size >> 10) << order, name);
	return path;
}

int size_mode(int order, const char *mode)
{
	return setting(size_file(order, "enabled"), mode);
}

void thp_mode(const char *mode)
{
	setting(THP "enabled", mode);
}

void enable_orders(unsigned int orders)
{
	int order;

	for (order = MIN_ORDER; order <= pmd_order; order++)
		size_mode(order, orders & ORDER(order) ? "always" : "never");
}

unsigned int large_orders(void)
{
	return ORDER(pmd_order) - ORDER(MIN_ORDER);
}

static unsigned long size_stat(int order, const char *name)
{
	char file[48], text[32];

	snprintf(file, sizeof(file), "stats/%s", name);
	if (read_file(size_file(order, file), text, sizeof(text)) <= 0)
		return 0;
	return strtoul(text, NULL, 10);
}

void size_stats(struct size_stats *s)
{
	int order;

	for (order = MIN_ORDER; order <= pmd_order; order++) {
		s->alloc[order] = size_stat(order, "anon_fault_alloc");
		s->fallback[order] = size_stat(order, "anon_fault_fallback");
		s->charge[order] = size_stat(order, "anon_fault_fallback_charge");
	}
}

void size_stats_since(struct size_stats *s)
{
	struct size_stats now;
	int order;

	size_stats(&now);
	for (order = MIN_ORDER; order <= pmd_order; order++) {
		s->alloc[order] = now.alloc[order] - s->alloc[order];
		s->fallback[order] = now.fallback[order] - s->fallback[order];
		s->charge[order] = now.charge[order] - s->charge[order];
	}
}
