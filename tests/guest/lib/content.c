// SPDX-License-Identifier: GPL-2.0
/* What pages contain, and a random number that a seed repeats. */
#include <stdio.h>

#include "lib.h"

static uint64_t state;

void seed_random(uint64_t seed)
{
	printf("# seed %llu\n", (unsigned long long)seed);
	state = seed * 0x9e3779b97f4a7c15 | 1;
}

uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 32) % below;
}

static uint64_t word(size_t page, size_t i, uint32_t tag)
{
	return (uint64_t)tag << 32 | page << 12 | i;
}

void fill(void *addr, size_t pages, uint32_t tag)
{
	size_t p, i;

	for (p = 0; p < pages; p++) {
		uint64_t *words = (uint64_t *)page_at(addr, p);

		for (i = 0; i < page_size / 8; i++)
			words[i] = word(p, i, tag);
	}
}

/* Whether fill() of the same pages with the same tag is all there. */
bool holds(const void *addr, size_t pages, uint32_t tag)
{
	size_t p, i;

	for (p = 0; p < pages; p++) {
		const uint64_t *words = (uint64_t *)page_at(addr, p);

		for (i = 0; i < page_size / 8; i++) {
			if (words[i] == word(p, i, tag))
				continue;
			printf("# page %zu, word %zu: wanted %#llx, found %#llx\n",
			       p, i, (unsigned long long)word(p, i, tag),
			       (unsigned long long)words[i]);
			return false;
		}
	}
	return true;
}

/* Each page has a tag of its own, @tag for page 0. */
void fill_pages(void *vma, size_t from, size_t to, uint32_t tag)
{
	for (; from < to; from++)
		fill(page_at(vma, from), 1, tag + from);
}

bool pages_hold(const void *vma, size_t from, size_t to, uint32_t tag)
{
	for (; from < to; from++)
		if (!holds(page_at(vma, from), 1, tag + from))
			return false;
	return true;
}

bool zeroed(const void *addr, size_t pages)
{
	const uint64_t *words = addr;
	size_t i;

	for (i = 0; i < pages * page_size / 8; i++) {
		if (words[i]) {
			printf("# page %zu: wanted zero, found %#llx\n",
			       i * 8 / page_size, (unsigned long long)words[i]);
			return false;
		}
	}
	return true;
}
