// SPDX-License-Identifier: GPL-2.0
/* Files below /sys, /proc and debugfs that are put back when a test is over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

#define MAX_SETTINGS 64

/* Shared memory: the supervisor puts back what a killed test has set. */
static struct settings {
	int nr;
	struct {
		char path[192];
		char value[128];
	} old[MAX_SETTINGS];
} *settings;

void settings_init(void)
{
	settings = mmap(NULL, sizeof(*settings), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (settings == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	/* charged to us, not to the cgroup of the first test that needs more of it */
	memset(settings, 0, sizeof(*settings));
}

/* The length read, without the last newline, or -errno. */
int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len, n;

	if (fd < 0)
		return -errno;
	for (len = 0; (size_t)len < size - 1; len += n) {
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			break;
	}
	close(fd);
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return len;
}

void read_all(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

/* 0 or -errno */
int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(value);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, len) != len)
		err = -errno;
	close(fd);
	return err;
}

/* A file of choices shows the chosen one in brackets. */
static void chosen(char *text)
{
	char *open = strchr(text, '['), *close = strchr(text, ']');

	if (!open || !close)
		return;
	*close = '\0';
	memmove(text, open + 1, close - open);
}

static void remember(const char *path)
{
	int i;

	for (i = 0; i < settings->nr; i++)
		if (!strcmp(settings->old[i].path, path))
			return;
	if (i == MAX_SETTINGS) {
		fprintf(stderr, "too many settings\n");
		exit(1);
	}
	if (read_file(path, settings->old[i].value, sizeof(settings->old[i].value)) < 0)
		return;
	chosen(settings->old[i].value);
	snprintf(settings->old[i].path, sizeof(settings->old[i].path), "%s", path);
	settings->nr = i + 1;
}

/* As write_file(), and put back when the test is over. */
int setting(const char *path, const char *value)
{
	remember(path);
	return write_file(path, value);
}

int settings_mark(void)
{
	return settings->nr;
}

/* Puts back what was set since settings_mark() gave @mark. */
void settings_restore(int mark)
{
	while (settings->nr > mark) {
		int i = --settings->nr;

		write_file(settings->old[i].path, settings->old[i].value);
	}
}
