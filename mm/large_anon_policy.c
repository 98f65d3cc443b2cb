// SPDX-License-Identifier: GPL-2.0
/*
 * Large anonymous folios: which orders are enabled
 *
 * One policy per order: /sys/kernel/mm/transparent_hugepage/hugepages-<size>kB/
 * and thp_anon= on the command line. Semantics and names are mainline's, see
 * Documentation/admin-guide/mm/large_anon_folio.rst.
 */

#define pr_fmt(fmt) "large_anon_folio: " fmt

#include <linux/init.h>
#include <linux/khugepaged.h>
#include <linux/kobject.h>
#include <linux/large_anon_folio.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include <asm/setup.h>

enum anon_policy {
	POLICY_ALWAYS,
	POLICY_INHERIT,
	POLICY_MADVISE,
	NR_POLICY_MASKS,
	POLICY_NEVER = NR_POLICY_MASKS,	/* in none of the masks */
	NR_POLICIES,
};

static const char * const policy_names[NR_POLICIES] = {
	[POLICY_ALWAYS]		= "always",
	[POLICY_INHERIT]	= "inherit",
	[POLICY_MADVISE]	= "madvise",
	[POLICY_NEVER]		= "never",
};

/* An order is in at most one mask. */
struct anon_policies {
	unsigned long mask[NR_POLICY_MASKS];
};

/* 16K, 32K and 64K where these are orders that can be had. */
#define DEFAULT_BYTES_MASK	(SZ_16K | SZ_32K | SZ_64K)
#define DEFAULT_ORDERS							\
	(((DEFAULT_BYTES_MASK >> PAGE_SHIFT) | BIT(HPAGE_PMD_ORDER)) &	\
	 LARGE_ANON_ORDERS)

static struct anon_policies policies __read_mostly = {
	.mask[POLICY_INHERIT] = DEFAULT_ORDERS,
};

/* Writers only: a fault that reads amid a change may see the order as never. */
static DEFINE_SPINLOCK(policies_lock);

DEFINE_PER_CPU(struct large_anon_stats, large_anon_stats);

static void set_policy(struct anon_policies *p, unsigned long orders,
		       enum anon_policy policy)
{
	int i;

	for (i = 0; i < NR_POLICY_MASKS; i++)
		WRITE_ONCE(p->mask[i], p->mask[i] & ~orders);
	if (policy != POLICY_NEVER)
		WRITE_ONCE(p->mask[policy], p->mask[policy] | orders);
}

static enum anon_policy get_policy(const struct anon_policies *p,
				   unsigned int order)
{
	int i;

	for (i = 0; i < NR_POLICY_MASKS; i++)
		if (READ_ONCE(p->mask[i]) & BIT(order))
			return i;
	return POLICY_NEVER;
}

/**
 * anon_orders_enabled - the orders that sysfs enables for an anonymous VMA
 * @vm_flags: the VMA's flags; of these only VM_HUGEPAGE matters here
 *
 * Context: Any; a concurrent change of the policy is seen or not.
 * Return: A bitmap of orders; BIT(HPAGE_PMD_ORDER) stands for the PMD size.
 */
unsigned long anon_orders_enabled(unsigned long vm_flags)
{
	unsigned long orders = READ_ONCE(policies.mask[POLICY_ALWAYS]);
	const bool madvised = vm_flags & VM_HUGEPAGE;

	if (madvised)
		orders |= READ_ONCE(policies.mask[POLICY_MADVISE]);
	if (hugepage_flags_always() || (madvised && hugepage_flags_enabled()))
		orders |= READ_ONCE(policies.mask[POLICY_INHERIT]);

	return orders;
}

/**
 * anon_pmd_order_enabled - may some anonymous VMA get PMD-sized pages?
 *
 * Context: Any.
 * Return: true if the PMD size is enabled in its own right; `inherit` is left
 *	to the caller's check of the top-level setting.
 */
bool anon_pmd_order_enabled(void)
{
	return (READ_ONCE(policies.mask[POLICY_ALWAYS]) |
		READ_ONCE(policies.mask[POLICY_MADVISE])) &
	       BIT(HPAGE_PMD_ORDER);
}

struct anon_size {
	struct kobject kobj;
	unsigned int order;
};

static struct anon_size *anon_sizes[HPAGE_PMD_ORDER + 1];

static unsigned int kobj_order(struct kobject *kobj)
{
	return container_of(kobj, struct anon_size, kobj)->order;
}

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	enum anon_policy policy = get_policy(&policies, kobj_order(kobj));
	int i, len = 0;

	for (i = 0; i < NR_POLICIES; i++)
		len += sysfs_emit_at(buf, len, i == policy ? "%s[%s]" : "%s%s",
				     i ? " " : "", policy_names[i]);
	len += sysfs_emit_at(buf, len, "\n");

	return len;
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	int policy = sysfs_match_string(policy_names, buf);
	unsigned int order = kobj_order(kobj);
	int err = 0;

	if (policy < 0)
		return policy;

	spin_lock(&policies_lock);
	set_policy(&policies, BIT(order), policy);
	spin_unlock(&policies_lock);

	/* khugepaged runs while PMD size is enabled for anyone. */
	if (order == HPAGE_PMD_ORDER)
		err = start_stop_khugepaged();

	return err ? err : count;
}

static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);

static struct attribute *enabled_attrs[] = {
	&enabled_attr.attr,
	NULL,
};

static const struct attribute_group enabled_group = {
	.attrs = enabled_attrs,
};

static ssize_t stat_show(struct kobject *kobj, char *buf,
			 enum large_anon_stat stat)
{
	unsigned int order = kobj_order(kobj);
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(large_anon_stats, cpu).count[order][stat]);

	return sysfs_emit(buf, "%lu\n", sum);
}

#define STAT_ATTR(_name, _stat)						\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	return stat_show(kobj, buf, _stat);				\
}									\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

STAT_ATTR(anon_fault_alloc, ANON_FAULT_ALLOC);
STAT_ATTR(anon_fault_fallback, ANON_FAULT_FALLBACK);
STAT_ATTR(anon_fault_fallback_charge, ANON_FAULT_FALLBACK_CHARGE);

static struct attribute *stats_attrs[] = {
	&anon_fault_alloc_attr.attr,
	&anon_fault_fallback_attr.attr,
	&anon_fault_fallback_charge_attr.attr,
	NULL,
};

static const struct attribute_group stats_group = {
	.name = "stats",
	.attrs = stats_attrs,
};

static const struct attribute_group *anon_size_groups[] = {
	&enabled_group,
	&stats_group,
	NULL,
};

static void anon_size_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct anon_size, kobj));
}

static struct kobj_type anon_size_ktype = {
	.release	= anon_size_release,
	.sysfs_ops	= &kobj_sysfs_ops,
	.default_groups	= anon_size_groups,
};

/**
 * large_anon_sysfs_init - create hugepages-<size>kB/ for every order
 * @parent: the transparent_hugepage directory
 *
 * Context: Boot, once.
 * Return: 0, or a negative errno with nothing left behind.
 */
int __init large_anon_sysfs_init(struct kobject *parent)
{
	unsigned int order;

	for (order = LARGE_ANON_MIN_ORDER; order <= HPAGE_PMD_ORDER; order++) {
		struct anon_size *size = kzalloc(sizeof(*size), GFP_KERNEL);
		int err;

		if (!size) {
			large_anon_sysfs_exit();
			return -ENOMEM;
		}

		size->order = order;
		err = kobject_init_and_add(&size->kobj, &anon_size_ktype,
					   parent, "hugepages-%lukB",
					   (PAGE_SIZE << order) / SZ_1K);
		if (err) {
			pr_err("no sysfs directory for order %u: %d\n",
			       order, err);
			kobject_put(&size->kobj);
			large_anon_sysfs_exit();
			return err;
		}
		anon_sizes[order] = size;
	}

	return 0;
}

/**
 * large_anon_sysfs_exit - undo large_anon_sysfs_init()
 *
 * Context: Boot, when the rest of THP could not be set up.
 */
void __init large_anon_sysfs_exit(void)
{
	unsigned int order;

	for (order = LARGE_ANON_MIN_ORDER; order <= HPAGE_PMD_ORDER; order++) {
		if (!anon_sizes[order])
			continue;
		kobject_put(&anon_sizes[order]->kobj);
		anon_sizes[order] = NULL;
	}
}

/* "64K" -> 4 (with 4K pages), or a negative errno. */
static int __init parse_order(const char *str)
{
	unsigned long long size;
	char *end;
	int order;

	size = memparse(str, &end);
	if (end == str || *end || !is_power_of_2(size) || size < PAGE_SIZE)
		return -EINVAL;

	order = ilog2(size) - PAGE_SHIFT;
	if (order < LARGE_ANON_MIN_ORDER || order > HPAGE_PMD_ORDER)
		return -EINVAL;

	return order;
}

/* "16K,64K-256K" -> the orders, or 0 for anything that is no such list. */
static unsigned long __init parse_orders(char *str)
{
	unsigned long orders = 0;
	char *range;

	while ((range = strsep(&str, ","))) {
		char *from = strsep(&range, "-");
		int first = parse_order(from);
		int last = range ? parse_order(range) : first;

		if (first < 0 || last < first)
			return 0;
		orders |= GENMASK(last, first);
	}

	return orders;
}

/*
 * Parse "<size>[-<size>][,...]:<policy>[;...]" into @p, where later items
 * override earlier ones. Cuts @str into pieces. On error @p is half done.
 */
static int __init parse_thp_anon(char *str, struct anon_policies *p)
{
	char *item;

	while ((item = strsep(&str, ";"))) {
		unsigned long orders = parse_orders(strsep(&item, ":"));
		int policy = item ? match_string(policy_names, NR_POLICIES,
						 item) : -EINVAL;

		if (!orders || policy < 0)
			return -EINVAL;
		set_policy(p, orders, policy);
	}

	return 0;
}

/*
 * The first thp_anon= starts from `never` for every size, so that what is not
 * named is off; more of them add up. A bad one changes nothing.
 */
static int __init setup_thp_anon(char *str)
{
	static char buf[COMMAND_LINE_SIZE] __initdata;
	static struct anon_policies given __initdata;
	struct anon_policies tmp = given;

	strscpy(buf, str, sizeof(buf));
	if (parse_thp_anon(buf, &tmp)) {
		pr_warn("thp_anon=%s: cannot parse, ignored\n", str);
		return 1;
	}
	given = tmp;
	policies = tmp;

	return 1;
}
__setup("thp_anon=", setup_thp_anon);

#ifdef CONFIG_LARGE_ANON_FOLIO_KUNIT_TEST
#include "large_anon_policy_test.c"
#endif
