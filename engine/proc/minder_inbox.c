#include "engine/proc/minder_inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CAP_USUAL (64u << 10) /* most requests; kept from step to step */

void minder_inbox_init(struct minder_inbox *inbox, int socket)
{
	*inbox = (struct minder_inbox){.socket = socket};
}

static bool reserve(struct minder_inbox *inbox, size_t cap)
{
	char *data;

	if (cap <= inbox->cap)
		return true;
	data = realloc(inbox->data, cap);
	if (data == NULL)
		return false;
	inbox->data = data;
	inbox->cap = cap;
	return true;
}

static void take_fds(struct minder_inbox *inbox, struct msghdr *msg)
{
	struct cmsghdr *c;

	if ((msg->msg_flags & MSG_CTRUNC) != 0)
		inbox->fds_lost = true;
	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (inbox->fds_len < FLO__MINDER_STREAMS) {
				inbox->fds[inbox->fds_len++] = fd;
			} else {
				close(fd);
				inbox->fds_lost = true;
			}
		}
	}
}

bool minder_inbox_fill(struct minder_inbox *inbox, int flags)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(FLO__MINDER_STREAMS * sizeof(int))];
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	ssize_t n;

	if (!reserve(inbox, CAP_USUAL))
		return false;
	if (inbox->len == inbox->cap && !reserve(inbox, inbox->cap * 2))
		return false;
	iov.iov_base = inbox->data + inbox->len;
	iov.iov_len = inbox->cap - inbox->len;
	do
		n = recvmsg(inbox->socket, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN;
	take_fds(inbox, &msg);
	inbox->len += (size_t)n;
	return n > 0;
}

static void drop(struct minder_inbox *inbox, size_t size)
{
	inbox->len -= size;
	memmove(inbox->data, inbox->data + size, inbox->len);
}

bool minder_inbox_command(struct minder_inbox *inbox,
			  struct flo__minder_command *ret_command)
{
	if (inbox->len < sizeof(*ret_command))
		return false;
	memcpy(ret_command, inbox->data, sizeof(*ret_command));
	drop(inbox, sizeof(*ret_command));
	return true;
}

/* Point to each of the strings that follow the command; false if they lie. */
static bool split(struct minder_request *request, char *at, char *end,
		  const struct flo__minder_command *command)
{
	char **strings = request->strings;
	size_t argc = command->argc, envc = command->envc;

	if (at == end || end[-1] != '\0')
		return false;
	request->dir = at;
	at += strlen(at) + 1;
	request->argv = strings + 1;
	request->env = request->argv + argc + 1;
	for (size_t i = 0; i < argc + envc; i++) {
		if (at == end)
			return false;
		request->argv[i < argc ? i : i + 1] = at;
		at += strlen(at) + 1;
	}
	request->argv[argc] = NULL;
	request->env[envc] = NULL;
	return at == end && argc > 0;
}

/* Hand the descriptors received over, each at its stream. */
static void hand_over(struct minder_inbox *inbox, uint32_t mask,
		      struct minder_request *request)
{
	unsigned next = 0;

	for (int i = 0; i < FLO__MINDER_STREAMS; i++) {
		request->fds[i] = -1;
		if ((mask & 1u << i) == 0)
			continue;
		if (next < inbox->fds_len)
			request->fds[i] = inbox->fds[next++];
		else
			inbox->fds_lost = true;
	}
	if (inbox->fds_lost)
		request->errnum = EMFILE;
	while (next < inbox->fds_len)
		close(inbox->fds[next++]);
	inbox->fds_len = 0;
	inbox->fds_lost = false;
}

static bool request_build(struct minder_inbox *inbox,
			  const struct flo__minder_command *command,
			  struct minder_request *request)
{
	size_t size = sizeof(*command) + command->len;
	size_t count = (size_t)command->argc + command->envc + 3;

	*request = (struct minder_request){.size = size};
	if (command->argc > command->len || command->envc > command->len)
		return false;
	request->strings = calloc(count, sizeof(char *));
	if (request->strings == NULL)
		request->errnum = ENOMEM;
	else if (!split(request, inbox->data + sizeof(*command),
			inbox->data + size, command))
		return false;
	hand_over(inbox, command->fds, request);
	return true;
}

bool minder_inbox_request(struct minder_inbox *inbox,
			  struct minder_request *ret_request)
{
	struct flo__minder_command command;

	for (;;) {
		if (inbox->len < sizeof(command)) {
			if (!minder_inbox_fill(inbox, 0))
				return false;
			continue;
		}
		memcpy(&command, inbox->data, sizeof(command));
		if (command.op != FLO__MINDER_RUN) {
			drop(inbox, sizeof(command));
			continue;
		}
		if (command.len > FLO__MINDER_PAYLOAD_MAX)
			return false;
		if (inbox->len >= sizeof(command) + command.len)
			return request_build(inbox, &command, ret_request);
		if (!reserve(inbox, sizeof(command) + command.len) ||
		    !minder_inbox_fill(inbox, 0))
			return false;
	}
}

void minder_inbox_done(struct minder_inbox *inbox,
		       struct minder_request *request)
{
	char *data;

	free(request->strings);
	request->strings = NULL;
	drop(inbox, request->size);
	if (inbox->cap <= CAP_USUAL || inbox->len > CAP_USUAL)
		return;
	data = realloc(inbox->data, CAP_USUAL);
	if (data != NULL) {
		inbox->data = data;
		inbox->cap = CAP_USUAL;
	}
}
