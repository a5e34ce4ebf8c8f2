/* A request on its way to a minder: standard input, strings, descriptors. */
#include "engine/proc/local_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "engine/sched/poll_p.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_USUAL 65536

/* Put a small input into a pipe; leaves @ret_fd alone if it does not fit. */
static int input_pipe(const char *bytes, size_t len, int *ret_fd)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return errno;
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	if (write(p[1], bytes, len) == (ssize_t)len)
		*ret_fd = p[0];
	else
		close(p[0]); /* the user's pipes are over their quota */
	close(p[1]);
	return 0;
}

static int input_file(const char *bytes, size_t len, int *ret_fd)
{
	int fd = memfd_create("flo-stdin", MFD_CLOEXEC);
	int errnum = 0;

	if (fd < 0)
		return errno;
	while (len > 0 && errnum == 0) {
		ssize_t n = write(fd, bytes, len);

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno != EINTR) {
			errnum = errno;
		}
	}
	if (errnum == 0 && lseek(fd, 0, SEEK_SET) < 0)
		errnum = errno;
	if (errnum == 0)
		*ret_fd = fd;
	else
		close(fd);
	return errnum;
}

flo_status flo__local_input(const struct flo__exec_request *request,
			    flo_error *err, int *ret_fd)
{
	const char *bytes = request->input;
	size_t len = request->input_len;
	int fd = -1, errnum = 0;

	if (len > 0 && len <= PIPE_USUAL)
		errnum = input_pipe(bytes, len, &fd);
	if (len > 0 && errnum == 0 && fd < 0)
		errnum = input_file(bytes, len, &fd);
	if (errnum != 0)
		return flo__local_sys_error(err, errnum,
					    "cannot prepare standard input");
	*ret_fd = fd;
	return FLO_OK;
}

static size_t strings_size(const char *const *strings, uint32_t *ret_count)
{
	size_t size = 0;

	for (*ret_count = 0; strings[*ret_count] != NULL; ++*ret_count)
		size += strlen(strings[*ret_count]) + 1;
	return size;
}

static char *put(char *at, const char *text)
{
	size_t size = strlen(text) + 1;

	memcpy(at, text, size);
	return at + size;
}

static flo_status too_long(const struct flo__exec_request *request,
			   flo_error *err)
{
	/* What the kernel would say, which takes less than that. */
	struct flo__minder_reply reply = {.stage = FLO__MINDER_AT_EXEC,
					  .errnum = E2BIG};

	return flo__local_start_error(request, &reply, err);
}

flo_status flo__local_encode(struct flo__minder *minder,
			     const struct flo__exec_request *request,
			     uint32_t fds, flo_error *err, char **ret_bytes,
			     size_t *ret_size)
{
	struct flo__minder_command command = {.op = FLO__MINDER_RUN,
					      .fds = fds};
	size_t size = strlen(request->dir) + 1;
	char *bytes = minder->buf, *at;

	size += strings_size(request->argv, &command.argc);
	size += strings_size(request->env, &command.envc);
	if (size > FLO__MINDER_PAYLOAD_MAX)
		return too_long(request, err);
	command.len = (uint32_t)size;
	size += sizeof(command);
	if (size > sizeof(minder->buf))
		bytes = flo__malloc(size);
	if (bytes == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	memcpy(bytes, &command, sizeof(command));
	at = put(bytes + sizeof(command), request->dir);
	for (uint32_t i = 0; i < command.argc; i++)
		at = put(at, request->argv[i]);
	for (uint32_t i = 0; i < command.envc; i++)
		at = put(at, request->env[i]);
	INSIST(at == bytes + size);
	*ret_bytes = bytes;
	*ret_size = size;
	return FLO_OK;
}

/* Send the first bytes, and with them the descriptors that are there. */
static ssize_t send_first(int sock, const char *bytes, size_t size,
			  const int fds[FLO__MINDER_STREAMS])
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(FLO__MINDER_STREAMS * sizeof(int))] = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, size};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control};
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;
	int open[FLO__MINDER_STREAMS];
	size_t n = 0;

	for (int i = 0; i < FLO__MINDER_STREAMS; i++)
		if (fds[i] >= 0)
			open[n++] = fds[i];
	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), open, n * sizeof(int));
	return sendmsg(sock, &msg, MSG_NOSIGNAL);
}

flo_status flo__local_send(struct flo__minder *minder, const char *bytes,
			   size_t size, const int fds[FLO__MINDER_STREAMS],
			   flo_error *err)
{
	struct flo__pollfd pollfd = {minder->sock, FLO__POLL_WRITE, 0};
	flo_status st = FLO_OK;
	size_t sent = 0;

	while (sent < size && st == FLO_OK) {
		ssize_t n;
		int errnum;

		n = sent == 0 ? send_first(minder->sock, bytes, size, fds)
			      : send(minder->sock, bytes + sent, size - sent,
				     MSG_NOSIGNAL);
		errnum = errno;
		if (n >= 0)
			sent += (size_t)n;
		else if (errnum == EAGAIN)
			st = flo__poll(&pollfd, 1, UINT64_MAX, NULL);
		else if (errnum == EPIPE || errnum == ECONNRESET)
			return FLO_CLOSED;
		else if (errnum != EINTR)
			return flo__local_sys_error(
				err, errnum,
				"cannot send a program to its minder");
	}
	if (st != FLO_OK)
		flo_error_set(err, st, "cannot wait for the minder's socket");
	return st;
}
