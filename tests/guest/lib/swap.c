// SPDX-License-Identifier: GPL-2.0
/* Swap on a compressed RAM disk. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "lib.h"

#define DISK "/dev/zram0"
#define SYSFS "/sys/block/zram0/"

/* What mkswap writes. */
static bool write_header(size_t pages)
{
	char header[page_size];
	uint32_t *info = (uint32_t *)(header + 1024);
	int fd = open(DISK, O_WRONLY | O_CLOEXEC);
	bool done;

	memset(header, 0, page_size);
	info[0] = 1;			/* version */
	info[1] = pages - 1;		/* the last page */
	memcpy(header + page_size - 10, "SWAPSPACE2", 10);
	done = fd >= 0 && write(fd, header, page_size) == (ssize_t)page_size;
	close(fd);
	return done;
}

bool swap_on(size_t pages)
{
	char size[32];

	snprintf(size, sizeof(size), "%zu", pages * page_size);
	return !write_file(SYSFS "reset", "1") && !write_file(SYSFS "disksize", size) &&
	       write_header(pages) && !swapon(DISK, 0);
}

/* Reads all of it back; true where there is none. */
bool swap_off(void)
{
	char swaps[256];
	int err = swapoff(DISK);

	write_file(SYSFS "reset", "1");
	return !err || read_file("/proc/swaps", swaps, sizeof(swaps)) < 0 ||
	       !strstr(swaps, "zram0");
}
