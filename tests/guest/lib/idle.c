// SPDX-License-Identifier: GPL-2.0
/* Which pages have been accessed, as /sys/kernel/mm/page_idle/ has it. */
#include <fcntl.h>
#include <unistd.h>

#include "lib.h"

#define BITMAP	"/sys/kernel/mm/page_idle/bitmap"

bool set_idle(uint64_t pfn)
{
	uint64_t bits = 1ULL << pfn % 64;
	int fd = open(BITMAP, O_WRONLY | O_CLOEXEC);
	bool ok = pwrite(fd, &bits, 8, pfn / 64 * 8) == 8;

	close(fd);
	return ok;
}

bool is_idle(uint64_t pfn)
{
	uint64_t bits = 0;
	int fd = open(BITMAP, O_RDONLY | O_CLOEXEC);

	pread(fd, &bits, 8, pfn / 64 * 8);
	close(fd);
	return bits >> pfn % 64 & 1;
}
