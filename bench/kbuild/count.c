// SPDX-License-Identifier: GPL-2.0
/*
 * count: runs a command in its own fresh cgroup and prints what it cost, as one
 * JSON object on stdout.  The command's stdout goes to stderr.
 *
 *   count instructions COMMAND...	counters, page faults, memory.peak, folios
 *   count anon COMMAND...		the peak of the cgroup's anonymous memory
 *
 * The two are apart because the second samples, which the first would count.
 *
 * The kernel stops a task's counters when the task exits, before it gives its
 * memory back: of the job's instructions, those are in the system-wide figure
 * alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/bench.h"

/*
 * What a job leaves behind: khugepaged sleeps 10 s between scans, a journal
 * commits every 5 s, RCU and the kworkers need less.  Its dirty files are
 * written at once.
 */
#define SETTLE_SECONDS 30
#define SAMPLE_MILLISECONDS 10

#define STATS "/sys/kernel/mm/transparent_hugepage/hugepages-*kB/stats/anon_fault_alloc"
#define HUGE_SIZE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
#define MAX_SIZES 16

struct job {
	pid_t pid;
	int go;
	const char *cgroup;
};

struct folios {
	size_t sizes;
	unsigned int kilobytes[MAX_SIZES];
	uint64_t allocated[MAX_SIZES];
};

/* The job waits before its exec, so that counters can be attached to it. */
static struct job job_create(char **command)
{
	struct job job = { .cgroup = cgroup_create() };
	int pipe_fds[2];
	char byte;

	if (pipe(pipe_fds))
		die("pipe: %s", strerror(errno));
	job.go = pipe_fds[1];
	job.pid = fork();
	if (job.pid < 0)
		die("fork: %s", strerror(errno));
	if (!job.pid) {
		close(pipe_fds[1]);
		cgroup_enter(job.cgroup);
		/*
		 * Where a program lies decides how many tables and faults it
		 * needs: 0.2 % of the kernel's instructions.  And an emulator
		 * translates it only once.
		 */
		personality(ADDR_NO_RANDOMIZE);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		if (read(pipe_fds[0], &byte, 1) != 1)
			_exit(2);
		close(pipe_fds[0]);
		execvp(command[0], command);
		die("%s: %s", command[0], strerror(errno));
	}
	close(pipe_fds[0]);
	return job;
}

static void job_start(const struct job *job)
{
	if (write(job->go, "", 1) != 1)
		die("cannot start the job: %s", strerror(errno));
	close(job->go);
}

static void check_status(int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("the job failed (status %#x)", status);
}

static uint64_t cgroup_number(const struct job *job, const char *file, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", job->cgroup, file);
	return read_number(path, key);
}

/* Without large anonymous folios there are huge pages, if anything. */
static void read_folios(struct folios *folios)
{
	glob_t paths;

	folios->sizes = 0;
	if (glob(STATS, 0, NULL, &paths)) {
		folios->sizes = 1;
		folios->kilobytes[0] = read_number(HUGE_SIZE, "") >> 10;
		folios->allocated[0] = read_number("/proc/vmstat", "thp_fault_alloc ");
		return;
	}
	for (size_t i = 0; i < paths.gl_pathc && i < MAX_SIZES; i++) {
		sscanf(strstr(paths.gl_pathv[i], "hugepages-"), "hugepages-%ukB",
		       &folios->kilobytes[i]);
		folios->allocated[i] = read_number(paths.gl_pathv[i], "");
		folios->sizes++;
	}
	globfree(&paths);
}

static void print_folios(const struct folios *before, const struct folios *after)
{
	const char *separator = "";

	printf("\"folios\":{");
	for (size_t i = 0; i < after->sizes; i++) {
		uint64_t count = after->allocated[i] - before->allocated[i];

		if (!count)
			continue;
		printf("%s\"%ukB\":%ju", separator, after->kilobytes[i], (uintmax_t)count);
		separator = ",";
	}
	printf("}");
}

static int count_instructions(char **command)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int user, kernel, system[cpus];
	struct folios before, after;
	uint64_t system_kernel = 0;
	struct rusage usage;
	struct job job;
	int status;

	read_folios(&before);
	job = job_create(command);
	user = counter_open(job.pid, -1, USER, true);
	kernel = counter_open(job.pid, -1, KERNEL, true);
	for (long cpu = 0; cpu < cpus; cpu++)
		system[cpu] = counter_open(-1, cpu, KERNEL, false);
	job_start(&job);
	if (wait4(job.pid, &status, 0, &usage) < 0)
		die("wait4: %s", strerror(errno));
	check_status(status);

	sync();
	sleep(SETTLE_SECONDS);
	for (long cpu = 0; cpu < cpus; cpu++)
		system_kernel += counter_read(system[cpu]);
	read_folios(&after);

	printf("{\"instructions_user\":%ju,", (uintmax_t)counter_read(user));
	printf("\"instructions_kernel\":%ju,", (uintmax_t)counter_read(kernel));
	printf("\"instructions_system\":%ju,", (uintmax_t)system_kernel);
	printf("\"page_faults\":%ld,", usage.ru_minflt + usage.ru_majflt);
	printf("\"peak_memory_bytes\":%ju,", (uintmax_t)cgroup_number(&job, "memory.peak", ""));
	print_folios(&before, &after);
	printf("}\n");
	cgroup_remove(job.cgroup);
	return 0;
}

static int sample_anon(char **command)
{
	const struct timespec interval = { .tv_nsec = SAMPLE_MILLISECONDS * 1000000L };
	uint64_t now, peak = 0;
	sigset_t child;
	struct job job;
	int status;

	job = job_create(command);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	job_start(&job);
	while (waitpid(job.pid, &status, WNOHANG) == 0) {
		now = cgroup_number(&job, "memory.stat", "anon ");
		if (now > peak)
			peak = now;
		sigtimedwait(&child, NULL, &interval);
	}
	check_status(status);
	printf("{\"peak_anon_bytes\":%ju}\n", (uintmax_t)peak);
	cgroup_remove(job.cgroup);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "instructions"))
		return count_instructions(argv + 2);
	if (argc > 2 && !strcmp(argv[1], "anon"))
		return sample_anon(argv + 2);
	die("usage: count instructions|anon COMMAND...");
}
