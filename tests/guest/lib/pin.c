// SPDX-License-Identifier: GPL-2.0
/* Pages that are pinned for the long term, as a device's are. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib.h"

/* of mm/gup_test.h, which is not among the kernel's headers for others */
struct pin_longterm_test {
	uint64_t addr, size;
	uint32_t flags;
};

#define PIN_LONGTERM_TEST_START		_IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_FLAG_USE_WRITE	1

/* As long as the file that is returned is open; -1 where the kernel cannot. */
int pin_longterm(void *addr, size_t pages)
{
	struct pin_longterm_test args = {
		.addr = (uintptr_t)addr, .size = pages * page_size,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
	};
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, PIN_LONGTERM_TEST_START, &args)) {
		close(fd);
		fd = -1;
	}
	return fd;
}
