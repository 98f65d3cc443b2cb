// SPDX-License-Identifier: GPL-2.0
/*
 * Large anonymous folios: compaction
 *
 * The free scanner of compaction collects single pages. A large folio needs free
 * pages in one piece, or it would have to be split to get others together.
 */

#include <linux/large_anon_folio.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/swap.h>

#include "internal.h"

/*
 * Free pieces of this order, or those that such a move leaves behind, are what
 * compaction is for.
 */
static unsigned int order_limit(const struct compact_control *cc)
{
	return cc->order > 0 ? min_t(unsigned int, cc->order, pageblock_order) :
			       pageblock_order;
}

/**
 * compact_large_anon - can compaction move this large folio?
 * @cc:		what is being compacted
 * @page:	any page
 *
 * Context: Any. Without a reference the answer is a guess, also for pages that
 *	are on no LRU list and keep something else where PageAnon() looks.
 * Return: true for the first page of a large anonymous folio that is smaller
 *	than what compaction is to make room for.
 */
bool compact_large_anon(const struct compact_control *cc, struct page *page)
{
	return PageHead(page) && compound_order(page) < order_limit(cc) &&
	       page_is_large_anon(page);
}

/*
 * A free piece of @order pages or somewhat more. It is off the free lists. They
 * are not sorted: of some at the end, the last in the zone is the best, since the
 * folio should not be met again.
 */
static struct page *take_free(struct compact_control *cc, unsigned int order)
{
	struct zone *zone = cc->zone;
	struct page *page, *best = NULL;
	unsigned int i, free;

	lockdep_assert_held(&zone->lock);

	for (free = order; free < order_limit(cc); free++) {
		unsigned long pfn = pageblock_end_pfn(cc->migrate_pfn) - 1;
		struct list_head *list =
			&zone->free_area[free].free_list[MIGRATE_MOVABLE];

		i = 0;
		list_for_each_entry_reverse(page, list, buddy_list) {
			if (page_to_pfn(page) > pfn) {
				best = page;
				pfn = page_to_pfn(page);
			}
			if (++i == COMPACT_CLUSTER_MAX)
				break;
		}
		if (best)
			break;

		/* The next search is to see others. */
		if (i == COMPACT_CLUSTER_MAX) {
			LIST_HEAD(unseen);

			list_cut_before(&unseen, list, &page->buddy_list);
			list_splice_tail(&unseen, list);
		}
	}
	if (!best || !__isolate_free_page(best, free))
		return NULL;

	while (free-- > order)
		__putback_isolated_page(best + (1 << free), free,
					MIGRATE_MOVABLE);
	return best;
}

/**
 * compact_alloc_large_anon - find room for a large folio that compaction moves
 * @cc:		what is being compacted
 * @order:	the order of the folio
 *
 * Behind the block that the migrate scanner is in, so that folios only move
 * towards the end of the zone.
 *
 * Context: Any but under zone->lock.
 * Return: A folio of that order with one reference, or NULL.
 */
struct page *compact_alloc_large_anon(struct compact_control *cc,
				      unsigned int order)
{
	struct page *page;
	unsigned long flags;

	spin_lock_irqsave(&cc->zone->lock, flags);
	page = take_free(cc, order);
	spin_unlock_irqrestore(&cc->zone->lock, flags);
	if (!page)
		return NULL;

	post_alloc_hook(page, order, __GFP_MOVABLE);
	prep_compound_page(page, order);
	prep_transhuge_page(page);

	return page;
}
