// SPDX-License-Identifier: GPL-2.0
/* Pages that are said to be bad, and references that keep a folio in one piece. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib.h"

/* A reference to @page, as long as the file that is returned is open. */
int hold(void *page)
{
	struct iovec iov = { page, page_size };
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return -1;
	if (vmsplice(fd[1], &iov, 1, 0) != (ssize_t)page_size) {
		close(fd[0]);
		fd[0] = -1;
	}
	close(fd[1]);
	return fd[0];
}

/* 0 or -errno */
int poison(void *addr, size_t pages)
{
	return madvise(addr, pages * page_size, MADV_HWPOISON) ? -errno : 0;
}

/* The same without a reference, as hardware reports it. */
int poison_pfn(uint64_t pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)pfn);
	return write_file("/sys/kernel/debug/hwpoison/corrupt-pfn", text);
}

/* Back into use, if that works. */
bool unpoison(uint64_t pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)pfn);
	return !write_file("/sys/kernel/debug/hwpoison/unpoison-pfn", text);
}

static sigjmp_buf before_access;

static void bus_error(int sig)
{
	(void)sig;
	siglongjmp(before_access, 1);
}

static bool ends_in_sigbus(char *addr, bool write)
{
	volatile bool is_bad = true;

	signal(SIGBUS, bus_error);
	if (!sigsetjmp(before_access, 1)) {
		char was = *(volatile char *)addr;

		if (write)
			*(volatile char *)addr = was;
		is_bad = false;
	}
	signal(SIGBUS, SIG_DFL);
	return is_bad;
}

/* Whether reading there ends in SIGBUS. */
bool bad(void *addr)
{
	return ends_in_sigbus(addr, false);
}

/* Or reading and writing what was read. */
bool bad_to_write(void *addr)
{
	return ends_in_sigbus(addr, true);
}
