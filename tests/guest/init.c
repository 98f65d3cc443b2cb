// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of both guest roots: mounts what a program expects, runs one command
 * as root in /files, hands its output and its exit status to the host through
 * virtio-serial ports, and powers off. scripts/run.sh is the other end.
 *
 * From the kernel command line (unknown name=value words become environment):
 *   GUEST_TIME=seconds  the host's clock
 *   GUEST_ROOT=/dev/X   switch to the ext4 file system there
 *   GUEST_TTY=1         run the command on a terminal (/dev/hvc0)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))

static const struct {
	const char *type, *dir, *data;
} mounts[] = {
	{ "proc",	"/proc",		NULL },
	{ "sysfs",	"/sys",			NULL },
	{ "devpts",	"/dev/pts",		"ptmxmode=0666" },
	{ "tmpfs",	"/dev/shm",		NULL },
	{ "tmpfs",	"/tmp",			NULL },
	{ "tmpfs",	"/run",			NULL },
	{ "debugfs",	"/sys/kernel/debug",	NULL },
	{ "tracefs",	"/sys/kernel/tracing",	NULL },
	{ "cgroup2",	"/sys/fs/cgroup",	NULL },
};

static int kmsg = -1;

static void power_off(void)
{
	/* Nothing to sync: the host throws the disk's changes away. */
	reboot(RB_POWER_OFF);
	/* Where power-off is missing: QEMU's -no-reboot makes it the same. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/* One write is one line of the kernel log; dprintf() would seek. */
static void log_line(const char *what, const char *why)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "<5>init: %s %s\n", what, why);

	if (write(kmsg, line, len) != len)
		power_off();
}

/* Without a status the host reports a dead guest and shows the kernel log. */
static void die(const char *what)
{
	log_line(what, strerror(errno));
	power_off();
}

/* Devices appear some time after init starts. */
static int open_device(const char *path, int flags)
{
	const struct timespec wait = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; i < 1000; i++) {
		int fd = open(path, flags | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		nanosleep(&wait, NULL);
	}
	die(path);
	return -1;
}

static void switch_root(const char *disk)
{
	close(open_device(disk, O_RDONLY));
	mkdir("/disk", 0755);
	if (mount(disk, "/disk", "ext4", MS_NOATIME, NULL))
		die(disk);
	mkdir("/disk/files", 0755);
	if (mount("/files", "/disk/files", NULL, MS_BIND, NULL) ||
	    mount("/dev", "/disk/dev", NULL, MS_MOVE, NULL))
		die("/files and /dev on disk");
	if (chdir("/disk") || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		die("switch to the root on disk");
}

static void mount_all(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		mkdir(mounts[i].dir, 0755);
		/* ENODEV, ENOENT: not in this kernel's config */
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0,
			  mounts[i].data) &&
		    errno != ENODEV && errno != ENOENT)
			die(mounts[i].dir);
	}
	chmod("/tmp", 01777);
	chmod("/dev/shm", 01777);
	if (symlink("/proc/self/fd", "/dev/fd") ||
	    symlink("/proc/self/fd/0", "/dev/stdin") ||
	    symlink("/proc/self/fd/1", "/dev/stdout") ||
	    symlink("/proc/self/fd/2", "/dev/stderr"))
		die("links in /dev");
}

/* devtmpfs first: it holds kmsg, and the disk of the other root. */
static void early_setup(void)
{
	mkdir("/dev", 0755);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL))
		power_off();

	/* The kernel console belongs to the kernel log alone. */
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

static void set_clock(const char *seconds)
{
	struct timespec now = { .tv_sec = seconds ? atoll(seconds) : 0 };

	if (!seconds)
		return;
	if (clock_settime(CLOCK_REALTIME, &now))
		die("GUEST_TIME");
}

/* The command comes as a file, since a kernel command line is short. */
static char *read_command(void)
{
	static char cmd[128 * 1024];
	int fd = open("/cmd", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, cmd, sizeof(cmd) - 1);

	if (len < 0)
		die("/cmd");
	close(fd);
	return cmd;
}

static void install_busybox(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/busybox", "busybox", "--install", "-s", NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		die("busybox --install");
}

static pid_t start(const char *cmd, bool tty, int out, int err)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (tty) {
		out = open_device("/dev/hvc0", O_RDWR);
		err = out;
		dup2(out, 0);
		ioctl(out, TIOCSCTTY, 0);
	}
	dup2(out, 1);
	dup2(err, 2);
	if (chdir("/files"))
		_exit(126);
	execl("/bin/sh", "sh", "-c", cmd, NULL);
	_exit(127);
}

static void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno != EINTR)
			die("output port");
		if (n > 0) {
			buf += n;
			len -= n;
		}
	}
}

/* Closes @from at its end; false from then on. */
static bool copy(int *from, int to)
{
	static char buf[32 * 1024];
	ssize_t n = read(*from, buf, sizeof(buf));

	if (n < 0)
		return true;
	if (!n) {
		close(*from);
		*from = -1;
		return false;
	}
	write_all(to, buf, n);
	return true;
}

/* Reaps everything; returns the status of @pid once it has ended, or -1. */
static int reap(pid_t pid)
{
	int status, ret = -1;
	pid_t dead;

	while ((dead = waitpid(-1, &status, WNOHANG)) > 0) {
		if (dead != pid)
			continue;
		ret = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
					  : WEXITSTATUS(status);
	}
	return ret;
}

/*
 * The program writes into pipes, not into the ports: a port can be opened only
 * once (no /dev/stderr), and the driver's instructions would be the program's.
 */
static int run(const char *cmd, bool tty, const int port[2])
{
	int out[2], err[2], status = -1;
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);

	int sig = signalfd(-1, &chld, SFD_CLOEXEC);

	if (sig < 0 || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe");

	pid_t pid = start(cmd, tty, out[1], err[1]);
	struct pollfd fds[] = {
		{ .fd = out[0], .events = POLLIN },
		{ .fd = err[0], .events = POLLIN },
		{ .fd = sig, .events = POLLIN },
	};

	close(out[1]);
	close(err[1]);
	while (status < 0 || fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 3, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				copy(&fds[i].fd, port[i]);
		if (fds[2].revents) {
			struct signalfd_siginfo info;

			if (read(sig, &info, sizeof(info)) < 0)
				continue;

			int ended = reap(pid);

			if (ended >= 0) {
				status = ended;
				/* what it left running would hold the pipes */
				kill(-1, SIGKILL);
			}
		}
	}
	return status;
}

int main(void)
{
	int port[3];
	char name[32];

	early_setup();
	set_clock(getenv("GUEST_TIME"));

	const char *cmd = read_command();
	const char *disk = getenv("GUEST_ROOT");
	bool tty = getenv("GUEST_TTY");

	if (disk)
		switch_root(disk);
	mount_all();
	if (!disk)
		install_busybox();
	unsetenv("GUEST_TIME");
	unsetenv("GUEST_ROOT");
	unsetenv("GUEST_TTY");
	setenv("HOME", "/root", 1);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "/dev/vport0p%d", i + 1);
		port[i] = open_device(name, O_WRONLY);
	}
	log_line("runs", "the command");

	int status = run(cmd, tty, port);

	dprintf(port[2], "%d\n", status);
	power_off();
}
