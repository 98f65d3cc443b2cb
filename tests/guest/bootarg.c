// SPDX-License-Identifier: GPL-2.0
/*
 * What thp_anon= on the kernel command line has set. The environment says what
 * to find, since only the caller knows what the guest was started with:
 *   THP_ANON_MODES="never always ..."  for each size, the smallest first
 *   THP_ANON_LOG="text"                a line with this is in the kernel log
 */
#include <fcntl.h>

#include "lib/fixture.h"

TEST_F(laf, modes)
{
	char *want = getenv("THP_ANON_MODES"), *mode, *list;
	char text[128], shown[32];
	int order = MIN_ORDER;

	ASSERT_NE(NULL, want) {
		TH_LOG("THP_ANON_MODES is not set");
	}
	list = strdup(want);
	for (mode = strtok(list, " "); mode; mode = strtok(NULL, " "), order++) {
		char *vma = map_new(ORDER(order));

		text[0] = '\0';
		read_file(size_file(order, "enabled"), text, sizeof(text));
		snprintf(shown, sizeof(shown), "[%s]", mode);
		if (!strcmp(mode, "always")) {
			touch(vma);
			ASSERT_ORDER(order, vma);
		}
		EXPECT_NE(NULL, strstr(text, shown)) {
			TH_LOG("order %d: wanted %s, found \"%s\"", order, mode, text);
		}
	}
	EXPECT_EQ(pmd_order + 1, order);
}

TEST_F(stock, log)
{
	char *want = getenv("THP_ANON_LOG"), line[2048];
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool found = !want;
	ssize_t len;

	ASSERT_LE(0, fd);
	while (!found && (len = read(fd, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		/* the command line itself is in the log too */
		found = strstr(line, want) && !strstr(line, "ommand line:");
	}
	EXPECT_TRUE(found) {
		TH_LOG("no \"%s\" in the kernel log", want);
	}
}
