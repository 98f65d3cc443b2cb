// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(2);
}

void check(bool error, const char *what)
{
	if (error)
		die("%s: %s", what, strerror(errno));
}

void touch(volatile char *area, size_t size, size_t step)
{
	for (size_t offset = 0; offset < size; offset += step)
		area[offset] = 1;
}

int counter_open(pid_t pid, int cpu, enum mode mode, bool on_exec)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED |
			       PERF_FORMAT_TOTAL_TIME_RUNNING,
		.exclude_user = mode != USER,
		.exclude_kernel = mode != KERNEL,
		.exclude_hv = 1,
		.exclude_guest = 1,
		.inherit = pid != -1,
		.disabled = on_exec,
		.enable_on_exec = on_exec,
	};
	int fd = syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		die("no instruction counter: %s (a guest needs ICOUNT=1 SMP=1 and arm64)",
		    strerror(errno));
	return fd;
}

uint64_t counter_read(int fd)
{
	struct {
		uint64_t value, enabled, running;
	} count;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		die("cannot read the instruction counter: %s", strerror(errno));
	/* A counter that shares its hardware is an estimate. */
	if (count.enabled != count.running)
		die("the instruction counter ran for part of the time only");
	return count.value;
}

uint64_t read_number(const char *path, const char *key)
{
	size_t length = strlen(key);
	char line[512];
	uint64_t number = 0;
	bool found = false;
	FILE *file = fopen(path, "re");

	if (!file)
		die("cannot open %s: %s", path, strerror(errno));
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, key, length) &&
			sscanf(line + length, " %ju", &number) == 1;
	fclose(file);
	if (!found)
		die("no '%s' in %s", key, path);
	return number;
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;

	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text));
	close(fd);
	return written == (ssize_t)strlen(text);
}

const char *cgroup_create(void)
{
	static char dir[64];

	if (!write_file(CGROUP_ROOT "/cgroup.subtree_control", "+memory"))
		die("no memory controller in " CGROUP_ROOT " (cgroup v2): %s", strerror(errno));
	snprintf(dir, sizeof(dir), CGROUP_ROOT "/bench-%d", getpid());
	if (mkdir(dir, 0755))
		die("cannot create %s: %s", dir, strerror(errno));
	return dir;
}

void cgroup_enter(const char *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	if (!write_file(path, "0"))
		die("cannot enter %s: %s", dir, strerror(errno));
}

void cgroup_remove(const char *dir)
{
	cgroup_enter(CGROUP_ROOT);
	rmdir(dir);
}
