// SPDX-License-Identifier: GPL-2.0
/* userfaultfd: memory that is watched. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

/* -1 where the kernel lacks one of @features. Without O_NONBLOCK there is no poll(). */
int uffd_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

struct uffdio_range uffd_range(const void *vma, size_t pages)
{
	return (struct uffdio_range){ (uintptr_t)vma, pages * page_size };
}

int uffd_register(int fd, const void *vma, size_t pages, uint64_t mode)
{
	struct uffdio_register reg = { .range = uffd_range(vma, pages), .mode = mode };

	return ioctl(fd, UFFDIO_REGISTER, &reg);
}

int uffd_unregister(int fd, const void *vma, size_t pages)
{
	struct uffdio_range range = uffd_range(vma, pages);

	return ioctl(fd, UFFDIO_UNREGISTER, &range);
}

/* The end of it wakes who waits to write. */
int write_protect(int fd, const void *vma, size_t pages, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = uffd_range(vma, pages),
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
}
