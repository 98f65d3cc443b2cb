// SPDX-License-Identifier: GPL-2.0
/* KUnit: which table a pmd is, and whether it is the same one. */

#include <kunit/test.h>
#include <linux/huge_mm.h>
#include <linux/pgalloc.h>

static void is_table(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);
	pmd_t pmd = __pmd(0);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_FALSE(test, pmd_is_table(pmd));
	pmd_populate(NULL, &pmd, page);
	KUNIT_EXPECT_TRUE(test, pmd_is_table(pmd));
	if (has_transparent_hugepage()) {
		pmd = pmd_mkhuge(pfn_pmd(page_to_pfn(page), PAGE_READONLY));
		KUNIT_EXPECT_FALSE(test, pmd_is_table(pmd));
		KUNIT_EXPECT_FALSE(test, pmd_is_table(pmd_mkinvalid(pmd)));
	}
	__free_page(page);
}

/* The next table is in the same block that a huge pmd could map. */
static void recheck(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	pmd_t pmd, before;

	KUNIT_ASSERT_NOT_NULL(test, page);
	pmd_populate(NULL, &pmd, page);
	before = pmd;
	KUNIT_EXPECT_TRUE(test, pte_map_recheck(&pmd, before));
	pmd_populate(NULL, &pmd, page + 1);
	KUNIT_EXPECT_FALSE(test, pte_map_recheck(&pmd, before));
	pmd = __pmd(0);
	KUNIT_EXPECT_FALSE(test, pte_map_recheck(&pmd, before));
#ifdef CONFIG_X86_64
	/* the CPU has walked it meanwhile */
	pmd = __pmd(pmd_val(before) | _PAGE_ACCESSED);
	before = __pmd(pmd_val(before) & ~_PAGE_ACCESSED);
	KUNIT_EXPECT_TRUE(test, pte_map_recheck(&pmd, before));
#endif
	__free_pages(page, 1);
}

static struct kunit_case pte_table_cases[] = {
	KUNIT_CASE(is_table),
	KUNIT_CASE(recheck),
	{}
};

static struct kunit_suite pte_table_suite = {
	.name = "pte_table",
	.test_cases = pte_table_cases,
};

kunit_test_suite(pte_table_suite);
