/* What the engine sent to this minder and is not consumed yet. */
#ifndef FLO_ENGINE_PROC_MINDER_INBOX_H
#define FLO_ENGINE_PROC_MINDER_INBOX_H

#include "engine/proc/minder_p.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes come in at the end; commands are taken from the front. */
struct minder_inbox {
	int socket;
	char *data;
	size_t len, cap;
	int fds[FLO__MINDER_STREAMS]; /* of the RUN being received; owned */
	unsigned fds_len;
	bool fds_lost; /* there were more, or no room in our table */
};

/* A RUN. Its strings are the inbox's until minder_inbox_done(). */
struct minder_request {
	const char *dir;
	char **argv; /* argv[-1] is free to use */
	char **env;
	int fds[FLO__MINDER_STREAMS]; /* taken; -1: none */
	int errnum; /* not 0: it could not be taken in, and why */
	char **strings;
	size_t size; /* bytes it occupies in the inbox */
};

void minder_inbox_init(struct minder_inbox *inbox, int socket);

/*
 * Receive what there is; with MSG_DONTWAIT as @flags without waiting for it.
 * Returns false at the end of the conversation.
 */
bool minder_inbox_fill(struct minder_inbox *inbox, int flags);

/* Take a short command, if one is complete. */
bool minder_inbox_command(struct minder_inbox *inbox,
			  struct flo__minder_command *ret_command);

/*
 * Wait for the next RUN, whole; STOP and KILL that came too late are dropped.
 * Returns false at the end of the conversation.
 */
bool minder_inbox_request(struct minder_inbox *inbox,
			  struct minder_request *ret_request);

/* Give a request's memory back. Its descriptors are the caller's. */
void minder_inbox_done(struct minder_inbox *inbox,
		       struct minder_request *request);

#endif
