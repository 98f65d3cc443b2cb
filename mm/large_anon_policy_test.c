// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the thp_anon= grammar, included by large_anon_policy.c
 *
 * Sizes are given for 4K pages; elsewhere the suite is skipped.
 */

#include <kunit/test.h>

struct thp_anon_param {
	const char *str;
	int ret;
	struct anon_policies want;
};

static const struct thp_anon_param thp_anon_params[] __initconst = {
	{ "64K:always", 0, { .mask[POLICY_ALWAYS] = BIT(4) } },
	{ "65536:madvise", 0, { .mask[POLICY_MADVISE] = BIT(4) } },
	{ "16K,64K:inherit", 0, { .mask[POLICY_INHERIT] = BIT(2) | BIT(4) } },
	{ "16K-64K:always", 0, { .mask[POLICY_ALWAYS] = GENMASK(4, 2) } },
	{ "16K-2M:always;64K:never", 0,
	  { .mask[POLICY_ALWAYS] = GENMASK(9, 2) & ~BIT(4) } },
	{ "16K-64K:always;128K,512K:inherit;256K:madvise;1M-2M:never", 0,
	  { .mask[POLICY_ALWAYS] = GENMASK(4, 2),
	    .mask[POLICY_INHERIT] = BIT(5) | BIT(7),
	    .mask[POLICY_MADVISE] = BIT(6) } },
	{ "64K:always;64K:madvise", 0, { .mask[POLICY_MADVISE] = BIT(4) } },
	{ "2M:inherit", 0, { .mask[POLICY_INHERIT] = BIT(9) } },
	{ "64K:never", 0, { } },
	{ "", -EINVAL },
	{ "64K", -EINVAL },
	{ ":always", -EINVAL },
	{ "64K:", -EINVAL },
	{ "64K:sometimes", -EINVAL },
	{ "64K:always;", -EINVAL },
	{ "64K,:always", -EINVAL },
	{ "8K:always", -EINVAL },	/* order 1 */
	{ "4K:always", -EINVAL },
	{ "1K:always", -EINVAL },
	{ "0:always", -EINVAL },
	{ "48K:always", -EINVAL },
	{ "4M:always", -EINVAL },
	{ "64K-16K:always", -EINVAL },
	{ "16K-:always", -EINVAL },
	{ "16K-32K-64K:always", -EINVAL },
	{ "64Kx:always", -EINVAL },
	{ "64K:always:never", -EINVAL },
	{ "16K:always;8K:never", -EINVAL },
};

static void __init thp_anon_grammar(struct kunit *test)
{
	int i, j;

	if (PAGE_SHIFT != 12 || HPAGE_PMD_ORDER != 9)
		kunit_skip(test, "sizes are for 4K pages");

	for (i = 0; i < ARRAY_SIZE(thp_anon_params); i++) {
		const struct thp_anon_param *param = &thp_anon_params[i];
		struct anon_policies got = {};
		char buf[64];

		strscpy(buf, param->str, sizeof(buf));
		KUNIT_EXPECT_EQ_MSG(test, parse_thp_anon(buf, &got), param->ret,
				    "thp_anon=%s", param->str);
		if (param->ret)
			continue;
		for (j = 0; j < NR_POLICY_MASKS; j++)
			KUNIT_EXPECT_EQ_MSG(test, got.mask[j],
					    param->want.mask[j],
					    "thp_anon=%s, %s", param->str,
					    policy_names[j]);
	}
}

static void __init policy_is_one_of(struct kunit *test)
{
	struct anon_policies p = {};
	int from, to;

	for (from = 0; from < NR_POLICIES; from++) {
		for (to = 0; to < NR_POLICIES; to++) {
			set_policy(&p, BIT(4) | BIT(5), from);
			set_policy(&p, BIT(4), to);
			KUNIT_EXPECT_EQ(test, (int)get_policy(&p, 4), to);
			KUNIT_EXPECT_EQ(test, (int)get_policy(&p, 5), from);
		}
	}
}

static struct kunit_case large_anon_policy_cases[] __refdata = {
	KUNIT_CASE(thp_anon_grammar),
	KUNIT_CASE(policy_is_one_of),
	{}
};

static struct kunit_suite large_anon_policy_suite __refdata = {
	.name = "large_anon_policy",
	.test_cases = large_anon_policy_cases,
};

kunit_test_init_section_suite(large_anon_policy_suite);
