// SPDX-License-Identifier: GPL-2.0
/* Threads that do the same again and again. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib.h"

bool longer;

/* rnd() is for one thread */
uint32_t any(struct actor *a, uint32_t below)
{
	a->random = a->random * 1664525 + 1013904223;
	return (a->random >> 16) % below;
}

static void *repeat(void *arg)
{
	struct actor *a = arg;

	__atomic_store_n(&a->tid, gettid(), __ATOMIC_RELAXED);
	do {
		a->act(a);
		a->rounds++;
	} while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED));
	return NULL;
}

void actors_start(struct actor *actors, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		actors[i].stop = false;
		actors[i].tid = 0;
		actors[i].random = rnd(1U << 31);
		if (pthread_create(&actors[i].thread, NULL, repeat, &actors[i])) {
			perror("pthread_create");
			exit(1);
		}
	}
}

void actors_stop(struct actor *actors, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		__atomic_store_n(&actors[i].stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < nr; i++)
		pthread_join(actors[i].thread, NULL);
}

/* When a loop that started now is over. */
double after(double short_time)
{
	return seconds() + (longer ? 20 * short_time : short_time);
}

void act_for(struct actor *actors, size_t nr, double time)
{
	double end = after(time);

	actors_start(actors, nr);
	while (seconds() < end)
		usleep(10000);
	actors_stop(actors, nr);
}
