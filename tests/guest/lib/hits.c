// SPDX-License-Identifier: GPL-2.0
/* How often the kernel comes to a function, by a kprobe. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define TRACING "/sys/kernel/tracing/"

static int command(const char *text)
{
	int fd = open(TRACING "kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int enable(const char *function, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "events/hits/%s/enable", function);
	return write_file(path, value);
}

static void forget(const char *function)
{
	char text[96];

	enable(function, "0");
	snprintf(text, sizeof(text), "-:hits/%s\n", function);
	command(text);
}

/* False if there is no such function, or it is inline everywhere. */
bool hits_begin(const char *function)
{
	char text[160];

	forget(function); /* of a test that was killed */
	/*
	 * An event records the names of tasks by tracepoints in the scheduler, which
	 * x86 patches with an int3 in between. QEMU before 8.1 with more than one CPU
	 * may keep a translation of that int3 in __schedule() for good.
	 */
	if (write_file(TRACING "options/record-cmd", "0"))
		return false;
	snprintf(text, sizeof(text), "p:hits/%s %s\n", function, function);
	return !command(text) && !enable(function, "1");
}

long hits_end(const char *function)
{
	FILE *f = fopen(TRACING "kprobe_profile", "re");
	char name[64];
	long hits = -1, nr;

	while (f && fscanf(f, "%63s %ld %*d", name, &nr) == 2)
		if (!strcmp(name, function))
			hits = nr;
	if (f)
		fclose(f);
	forget(function);
	return hits;
}
