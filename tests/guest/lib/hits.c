// SPDX-License-Identifier: GPL-2.0
/*
 * How often the kernel comes to a function, by a kprobe. It stays until the guest
 * ends: QEMU before 8.1 with more than one CPU may keep the translation of an int3
 * that x86 patches away while another CPU comes to it. That CPU then traps for good,
 * unless there still is a kprobe to handle it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define TRACING "/sys/kernel/tracing/"

static struct {
	char function[64];
	long before;
} counted[4];

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

/* Since the kprobe is there; -1: there is none. */
static long hits(const char *function)
{
	FILE *f = fopen(TRACING "kprobe_profile", "re");
	char name[64];
	long hits = -1, nr;

	while (f && fscanf(f, "%63s %ld %*d", name, &nr) == 2)
		if (!strcmp(name, function))
			hits = nr;
	if (f)
		fclose(f);
	return hits;
}

static bool probe(const char *function)
{
	char text[160], path[128];

	/*
	 * An event records the names of tasks by tracepoints in the scheduler, which
	 * are patched, too, and no kprobe is there to handle that int3.
	 */
	if (write_file(TRACING "options/record-cmd", "0"))
		return false;
	snprintf(text, sizeof(text), "p:hits/%s %s\n", function, function);
	snprintf(path, sizeof(path), TRACING "events/hits/%s/enable", function);
	return !command(text) && !write_file(path, "1");
}

/* False if there is no such function, or it is inline everywhere. */
bool hits_begin(const char *function)
{
	size_t i;

	if (hits(function) < 0 && !probe(function))
		return false;
	for (i = 0; i < sizeof(counted) / sizeof(*counted); i++) {
		if (*counted[i].function && strcmp(counted[i].function, function))
			continue;
		snprintf(counted[i].function, sizeof(counted[i].function), "%s", function);
		counted[i].before = hits(function);
		return counted[i].before >= 0;
	}
	return false;
}

/* Since hits_begin(); -1: that was not called. */
long hits_end(const char *function)
{
	size_t i;

	for (i = 0; i < sizeof(counted) / sizeof(*counted); i++) {
		if (strcmp(counted[i].function, function))
			continue;
		*counted[i].function = 0;
		return hits(function) - counted[i].before;
	}
	return -1;
}
