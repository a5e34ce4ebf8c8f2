#include "cli/sink.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM (4u << 20) /* bytes that may wait for the reader */

struct buffer {
	char *bytes;
	size_t len;
};

struct cli_sink {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct buffer filling; /* by lock */
	struct buffer writing; /* the thread's while is_writing */
	bool is_writing;       /* by lock */
	bool is_closing;       /* by lock */
	bool is_abandoned;     /* by lock */
	int error;	       /* by lock; nothing is written after it */
};

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Called and returns with the lock held. */
static void write_batch(struct cli_sink *sink)
{
	struct buffer batch = sink->filling;
	int error;

	sink->filling = sink->writing;
	sink->writing = batch;
	sink->is_writing = true;
	pthread_mutex_unlock(&sink->lock);
	error = write_all(sink->fd, batch.bytes, batch.len);
	pthread_mutex_lock(&sink->lock);
	sink->writing.len = 0;
	sink->is_writing = false;
	if (!sink->error)
		sink->error = error;
	if (sink->error)
		sink->filling.len = 0;
	pthread_cond_broadcast(&sink->changed);
}

static void *writer(void *arg)
{
	struct cli_sink *sink = arg;

	pthread_mutex_lock(&sink->lock);
	for (;;) {
		if (sink->filling.len > 0)
			write_batch(sink);
		else if (sink->is_closing)
			break;
		else
			pthread_cond_wait(&sink->changed, &sink->lock);
	}
	pthread_mutex_unlock(&sink->lock);
	return NULL;
}

struct cli_sink *cli_sink_open(int fd)
{
	struct cli_sink *sink = calloc(1, sizeof(*sink));

	if (!sink)
		return NULL;
	sink->fd = fd;
	sink->filling.bytes = malloc(ROOM);
	sink->writing.bytes = malloc(ROOM);
	pthread_mutex_init(&sink->lock, NULL);
	pthread_cond_init(&sink->changed, NULL);
	if (!sink->filling.bytes || !sink->writing.bytes ||
	    pthread_create(&sink->thread, NULL, writer, sink) != 0) {
		free(sink->filling.bytes);
		free(sink->writing.bytes);
		free(sink);
		return NULL;
	}
	return sink;
}

void cli_sink_write(struct cli_sink *sink, const char *bytes, size_t len)
{
	pthread_mutex_lock(&sink->lock);
	while (len > 0 && !sink->error) {
		size_t room = ROOM - sink->filling.len;
		size_t n = len < room ? len : room;

		memcpy(sink->filling.bytes + sink->filling.len, bytes, n);
		sink->filling.len += n;
		bytes += n;
		len -= n;
		pthread_cond_broadcast(&sink->changed);
		if (len > 0 && sink->is_abandoned)
			break;
		if (len > 0)
			pthread_cond_wait(&sink->changed, &sink->lock);
	}
	pthread_mutex_unlock(&sink->lock);
}

void cli_sink_printf(struct cli_sink *sink, const char *format, ...)
{
	char text[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		cli_sink_write(sink, text,
			       (size_t)len < sizeof(text) ? (size_t)len
							  : sizeof(text) - 1);
}

void cli_sink_abandon(struct cli_sink *sink)
{
	pthread_mutex_lock(&sink->lock);
	sink->is_abandoned = true;
	pthread_cond_broadcast(&sink->changed);
	pthread_mutex_unlock(&sink->lock);
}

void cli_sink_drain(struct cli_sink *sink)
{
	pthread_mutex_lock(&sink->lock);
	while ((sink->filling.len > 0 || sink->is_writing) && !sink->error &&
	       !sink->is_abandoned)
		pthread_cond_wait(&sink->changed, &sink->lock);
	pthread_mutex_unlock(&sink->lock);
}

bool cli_sink_is_drained(struct cli_sink *sink)
{
	bool is_drained;

	pthread_mutex_lock(&sink->lock);
	is_drained = sink->filling.len == 0 && !sink->is_writing;
	pthread_mutex_unlock(&sink->lock);
	return is_drained;
}

int cli_sink_close(struct cli_sink *sink)
{
	int error;

	if (!sink)
		return 0;
	cli_sink_drain(sink);
	pthread_mutex_lock(&sink->lock);
	error = sink->error == EPIPE ? 0 : sink->error;
	sink->is_closing = true;
	pthread_cond_broadcast(&sink->changed);
	if (sink->is_abandoned && sink->is_writing) {
		/* The thread may be stuck in write(): it ends with us. */
		pthread_mutex_unlock(&sink->lock);
		return error;
	}
	pthread_mutex_unlock(&sink->lock);
	pthread_join(sink->thread, NULL);
	free(sink->filling.bytes);
	free(sink->writing.bytes);
	pthread_mutex_destroy(&sink->lock);
	pthread_cond_destroy(&sink->changed);
	free(sink);
	return error;
}
