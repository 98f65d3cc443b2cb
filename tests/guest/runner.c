// SPDX-License-Identifier: GPL-2.0
/*
 * Runs test programs one after the other and reports nested TAP:
 *
 *   # Subtest: orders
 *       TAP version 13
 *       ok 1 laf.vma_edges
 *   ok 1 - orders # 3.2 s
 *
 * usage: runner [-k] [-T seconds] program [argument...] [-- program [argument...]]...
 *
 * A program that does not end in time is killed with all that it started.
 * -k: first what KUnit has found out at boot.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

static int timeout = 600;
static int nr_run;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* The kernel log shows which program it speaks of. */
static void log_line(const char *fmt, const char *name)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, fmt, name);
	close(fd);
}

static void indent(const char *text, size_t len)
{
	static bool inside_line;
	size_t i;

	for (i = 0; i < len; i++) {
		if (!inside_line)
			fputs("    ", stdout);
		putchar(text[i]);
		inside_line = text[i] != '\n';
	}
	fflush(stdout);
}

/* Copies the program's output until it ends; false when time was up. */
static bool copy_output(int fd, double end)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	static char text[65536];
	ssize_t len;

	/* tests count pages: have ours before they begin */
	memset(text, 1, sizeof(text));
	for (;;) {
		double left = end - now();

		if (left <= 0 || poll(&pollfd, 1, left * 1000 + 1) <= 0)
			return false;
		len = read(fd, text, sizeof(text));
		if (len <= 0)
			return true;
		indent(text, len);
	}
}

static void result(bool ok, const char *name, double start, const char *note)
{
	printf("%sok %d - %s # %.1f s%s\n", ok ? "" : "not ", ++nr_run, name,
	       now() - start, note);
	fflush(stdout);
}

static bool run(char **argv)
{
	double start = now();
	int fds[2], status;
	char note[64] = "";
	bool in_time;
	pid_t pid;

	printf("# Subtest: %s\n", argv[0]);
	fflush(stdout);
	log_line("runner: %s begins\n", argv[0]);
	if (pipe2(fds, O_CLOEXEC)) {
		perror("pipe2");
		exit(2);
	}
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid) {
		char path[256];

		setpgid(0, 0);
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		snprintf(path, sizeof(path), "./%s", argv[0]);
		execv(path, argv);
		perror(path);
		_exit(127);
	}
	close(fds[1]);
	in_time = copy_output(fds[0], start + timeout);
	close(fds[0]);
	/* tests have process groups of their own, and die with their parents */
	if (!in_time) {
		/* the kernel log shows what the CPUs are at, and who is blocked */
		write_file("/proc/sysrq-trigger", "l");
		write_file("/proc/sysrq-trigger", "w");
		kill(-pid, SIGKILL);
	}
	waitpid(pid, &status, 0);
	log_line("runner: %s ended\n", argv[0]);

	if (!in_time)
		snprintf(note, sizeof(note), ", killed after %d s", timeout);
	else if (WIFSIGNALED(status))
		snprintf(note, sizeof(note), ", signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		snprintf(note, sizeof(note), ", exit status %d", WEXITSTATUS(status));
	result(in_time && WIFEXITED(status) && !WEXITSTATUS(status), argv[0], start, note);
	return in_time && !status;
}

/* The suites have run at boot: debugfs keeps their TAP, indented as ours. */
static bool kunit(void)
{
	DIR *dir = opendir("/sys/kernel/debug/kunit");
	struct dirent *entry;
	bool all_ok = true;

	while (dir && (entry = readdir(dir))) {
		char path[512], line[512];
		bool ok = false;
		FILE *f;

		snprintf(path, sizeof(path), "/sys/kernel/debug/kunit/%s/results", entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f)) {
			if (!strncmp(line, "ok ", 3))
				ok = true;
			else if (strncmp(line, "not ok ", 7))
				fputs(line, stdout);
		}
		fclose(f);
		all_ok &= ok;
		result(ok, entry->d_name, now(), ", at boot");
	}
	if (dir)
		closedir(dir);
	return all_ok;
}

int main(int argc, char **argv)
{
	bool with_kunit = false, all_ok = true;
	int i, first;

	while ((i = getopt(argc, argv, "+kT:")) != -1) {
		if (i == 'k')
			with_kunit = true;
		else if (i == 'T')
			timeout = atoi(optarg);
		if (i == '?' || timeout <= 0) {
			fprintf(stderr, "usage: %s [-k] [-T seconds] program [argument...] [-- ...]\n",
				argv[0]);
			return 2;
		}
	}
	printf("TAP version 13\n");
	if (with_kunit)
		all_ok = kunit();
	for (first = i = optind; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], "--"))
			continue;
		argv[i] = NULL;
		if (first < i)
			all_ok &= run(&argv[first]);
		first = i + 1;
	}
	printf("1..%d\n", nr_run);
	return !all_ok;
}
