#include "engine/proc/steplog.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <flo/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAP_DEFAULT  (8u << 20)
#define COPY_SIZE    65536
#define MARK_LEN     2
#define REMARK	     "- %20llu bytes of output are left out here\n"
#define REMARK_LEN   57
#define OUT_KEEP_MAX (256u << 10) /* memory kept from write to write */
/* More than asked for, to see where its first line begins. */
#define ERRORS_KEEP (FLO__STEPLOG_TAIL_BYTES + 2)

/*
 * Where the file stands.
 *
 * offset 0        head_end       + REMARK_LEN             size
 *        | head    | remark       | tail                   |
 *
 * head_end is 0 until a line would cross the cap (whole, cut 0): then it is
 * where that line begins. The remark is there once something was cut.
 */
struct stream {
	struct flo__strbuf line; /* an unfinished line, without mark */
	bool continued;		 /* its beginning is in the file already */
};

struct flo__steplog {
	char *path; /* owned */
	int fd;	    /* -1 until the first line */
	size_t cap, line_max;
	uint64_t size, head_end, cut; /* bytes; cut: left out so far */
	bool full;		      /* the head is; head_end is set */
	bool empty;		      /* nothing was handed over */
	flo_status failed;	      /* the first failure, for later calls */
	struct stream streams[2];
	struct flo__strbuf out;	   /* marked lines on their way to the file */
	struct flo__strbuf errors; /* the last bytes of stderr */
	struct flo__mask_stream *masks; /* of both streams; NULL: none */
};

flo_status flo__steplog_new(const char *path, size_t cap,
			    struct flo__steplog **ret_log)
{
	struct flo__steplog *log = flo__calloc(1, sizeof(*log));

	if (log == NULL)
		return FLO_NOMEM;
	log->path = flo__strdup(path);
	if (log->path == NULL) {
		flo__free(log);
		return FLO_NOMEM;
	}
	log->fd = -1;
	log->empty = true;
	log->cap = cap != 0 ? cap : CAP_DEFAULT;
	/* A tail must be able to hold a line. */
	log->line_max = log->cap / 2 < FLO__STEPLOG_LINE_MAX
				? log->cap / 2
				: FLO__STEPLOG_LINE_MAX;
	if (log->line_max == 0)
		log->line_max = 1;
	flo__strbuf_init(&log->out);
	flo__strbuf_init(&log->errors);
	for (int i = 0; i < 2; i++)
		flo__strbuf_init(&log->streams[i].line);
	*ret_log = log;
	return FLO_OK;
}

flo_status flo__steplog_mask(struct flo__steplog *log,
			     const struct flo__mask *mask)
{
	REQUIRE_RULE(log->masks == NULL && log->size == 0 &&
			     log->errors.len == 0,
		     "hiding begins before the first byte");
	log->masks = flo__calloc(2, sizeof(*log->masks));
	if (log->masks == NULL)
		return FLO_NOMEM;
	for (int i = 0; i < 2; i++)
		flo__mask_stream_init(&log->masks[i], mask);
	return FLO_OK;
}

/* Make the directories above @path that are missing. */
static int make_parents(char *path)
{
	int errnum = 0;

	for (char *at = path + 1; errnum == 0; at++) {
		at = strchr(at, '/');
		if (at == NULL)
			break;
		*at = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			errnum = errno;
		*at = '/';
	}
	return errnum;
}

static flo_status file_open(struct flo__steplog *log, flo_error *err)
{
	const int flags = O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	int errnum = 0;

	log->fd = open(log->path, flags, 0600);
	if (log->fd < 0 && errno == ENOENT) {
		errnum = make_parents(log->path);
		if (errnum == 0)
			log->fd = open(log->path, flags, 0600);
	}
	if (log->fd >= 0)
		return FLO_OK;
	return flo_error_sys(err, errnum != 0 ? errnum : errno,
			     "cannot create the log %s", log->path);
}

static flo_status write_at(struct flo__steplog *log, const char *bytes,
			   size_t len, uint64_t at, flo_error *err)
{
	while (len > 0) {
		ssize_t n = pwrite(log->fd, bytes, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return flo_error_sys(err, errno,
					     "cannot write the log %s",
					     log->path);
		bytes += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return FLO_OK;
}

static flo_status read_at(struct flo__steplog *log, char *bytes, size_t len,
			  uint64_t at, size_t *ret_len, flo_error *err)
{
	ssize_t n;

	do
		n = pread(log->fd, bytes, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return flo_error_sys(err, errno, "cannot read the log %s",
				     log->path);
	*ret_len = (size_t)n;
	return FLO_OK;
}

/* Find the first line that begins at or after @at. */
static flo_status line_start(struct flo__steplog *log, char *buf, uint64_t *at,
			     flo_error *err)
{
	flo_status st = FLO_OK;
	uint64_t from = *at - 1; /* the newline may be right before it */
	size_t n = 0;

	for (;;) {
		const char *nl;

		TRY(read_at(log, buf, COPY_SIZE, from, &n, err));
		nl = memchr(buf, '\n', n);
		if (nl != NULL || n == 0) {
			*at = nl != NULL ? from + (uint64_t)(nl - buf) + 1
					 : log->size;
			break;
		}
		from += n;
	}
out:
	return st;
}

/*
 * Cut the middle out, so that the file ends with the last cap bytes' lines.
 * Moves them down; they never overlap what they overwrite before it is read,
 * because we go upwards.
 */
static flo_status move_tail(struct flo__steplog *log, flo_error *err)
{
	flo_status st = FLO_OK;
	char *buf = flo__malloc(COPY_SIZE), remark[REMARK_LEN + 32];
	uint64_t begin = log->head_end + (log->cut != 0 ? REMARK_LEN : 0);
	uint64_t to = log->head_end + REMARK_LEN, from = log->size - log->cap;
	size_t n = 0;

	if (buf == NULL)
		return FLO_NOMEM;
	TRY(line_start(log, buf, &from, err));
	INSIST(from >= to); /* see too_long() */
	log->cut += from - begin;
	n = (size_t)snprintf(remark, sizeof(remark), REMARK,
			     (unsigned long long)log->cut);
	INSIST(n == REMARK_LEN);
	TRY(write_at(log, remark, n, log->head_end, err));
	while (from < log->size) {
		TRY(read_at(log, buf, COPY_SIZE, from, &n, err));
		INSIST(n > 0);
		TRY(write_at(log, buf, n, to, err));
		from += n;
		to += n;
	}
	if (ftruncate(log->fd, (off_t)to) < 0) {
		st = flo_error_sys(err, errno, "cannot cut the log %s",
				   log->path);
		goto out;
	}
	log->size = to;
out:
	flo__free(buf);
	return st;
}

static flo_status cut_middle(struct flo__steplog *log, flo_error *err)
{
	flo_status st;

	flo_blocking_begin(); /* megabytes: milliseconds */
	st = move_tail(log, err);
	flo_blocking_end();
	return st;
}

/* The most the file may hold before its middle is cut, @tails tails. */
static bool too_long(const struct flo__steplog *log, unsigned tails)
{
	return log->full && log->size - log->head_end >
				    (uint64_t)log->cap * tails + REMARK_LEN;
}

/* Bring the marked lines to the file in one write. */
static flo_status flush(struct flo__steplog *log, flo_error *err)
{
	flo_status st = FLO_OK;

	TRY(flo__strbuf_status(&log->out));
	if (log->out.len == 0)
		goto out;
	if (log->fd < 0)
		TRY(file_open(log, err));
	TRY(write_at(log, log->out.data, log->out.len, log->size, err));
	log->size += log->out.len;
	flo__strbuf_reset(&log->out);
	if (log->out.cap > OUT_KEEP_MAX)
		flo__strbuf_fini(&log->out);
	if (too_long(log, 2))
		TRY(cut_middle(log, err));
out:
	return st;
}

/* Mark a line and put it into the buffer; @whole: it ends here. */
static void add_line(struct flo__steplog *log, int stream, const char *bytes,
		     size_t len, bool whole)
{
	struct stream *s = &log->streams[stream - 1];
	char mark[MARK_LEN] = {stream == 1 ? 'O' : 'E',
			       s->continued ? '+' : ' '};
	uint64_t at = log->size + log->out.len;

	if (!log->full && at + MARK_LEN + len + 1 > log->cap) {
		log->full = true;
		log->head_end = at;
	}
	flo__strbuf_add(&log->out, mark, MARK_LEN);
	flo__strbuf_add(&log->out, bytes, len);
	flo__strbuf_addc(&log->out, '\n');
	s->continued = !whole;
}

/* Keep a piece of a line until its end comes. */
static void hold(struct flo__steplog *log, struct flo__strbuf *held,
		 const char *bytes, size_t len)
{
	flo__strbuf_add(held, bytes, len);
	if (held->failed)
		log->out.failed = true; /* flush() reports it */
}

/* Add a line, after what was held back of it, in pieces if it is too long. */
static void add_long_line(struct flo__steplog *log, int stream,
			  const char *bytes, size_t len, bool whole)
{
	struct flo__strbuf *held = &log->streams[stream - 1].line;
	size_t room = log->line_max - held->len;

	while (len > room || (len == room && !whole)) {
		if (held->len > 0) {
			hold(log, held, bytes, room);
			add_line(log, stream, held->data, held->len, false);
			flo__strbuf_reset(held);
		} else {
			add_line(log, stream, bytes, room, false);
		}
		bytes += room;
		len -= room;
		room = log->line_max;
	}
	if (!whole || held->len > 0)
		hold(log, held, bytes, len);
	if (!whole)
		return;
	if (held->len > 0)
		add_line(log, stream, held->data, held->len, true);
	else
		add_line(log, stream, bytes, len, true);
	flo__strbuf_reset(held);
}

/* Remember the end of stderr: twice what is asked for, cut now and then. */
static void remember(struct flo__steplog *log, const char *bytes, size_t len)
{
	struct flo__strbuf *sb = &log->errors;

	if (len > ERRORS_KEEP) {
		bytes += len - ERRORS_KEEP;
		len = ERRORS_KEEP;
	}
	if (sb->len + len > 2 * ERRORS_KEEP) {
		memmove(sb->data, sb->data + sb->len - ERRORS_KEEP,
			ERRORS_KEEP);
		flo__strbuf_cut(sb, ERRORS_KEEP);
	}
	flo__strbuf_add(sb, bytes, len);
}

/* Take output in which nothing is to be hidden any more. */
static flo_status take(struct flo__steplog *log, int stream, const char *bytes,
		       size_t len, flo_error *err)
{
	const char *end = bytes + len;
	flo_status st;

	if (stream == 2)
		remember(log, bytes, len);
	if (log->failed != FLO_OK)
		return flo_error_set(err, log->failed,
				     "the log %s is not written any more",
				     log->path);
	while (bytes < end) {
		const char *nl = memchr(bytes, '\n', (size_t)(end - bytes));
		const char *to = nl != NULL ? nl : end;

		add_long_line(log, stream, bytes, (size_t)(to - bytes),
			      nl != NULL);
		bytes = nl != NULL ? nl + 1 : end;
	}
	st = flush(log, err);
	log->failed = st;
	return st;
}

/* Take output through the masks; @over: it is the last of its stream. */
static flo_status take_masked(struct flo__steplog *log, int stream,
			      const char *bytes, size_t len, bool over,
			      flo_error *err)
{
	struct flo__mask_stream *mask = &log->masks[stream - 1];
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st = FLO_OK;

	flo__mask_stream_add(mask, bytes, len, &sb);
	if (over)
		flo__mask_stream_end(mask, true, &sb);
	if (sb.failed)
		log->failed = FLO_NOMEM;
	if (sb.len > 0 || sb.failed)
		st = take(log, stream, sb.data, sb.len, err);
	flo__strbuf_fini(&sb);
	return st;
}

flo_status flo__steplog_write(struct flo__steplog *log, int stream,
			      const char *bytes, size_t len, flo_error *err)
{
	REQUIRE(stream == 1 || stream == 2);
	log->empty = false;
	if (log->masks != NULL)
		return take_masked(log, stream, bytes, len, false, err);
	return take(log, stream, bytes, len, err);
}

void flo__steplog_tail(struct flo__steplog *log, struct flo__strbuf *sb)
{
	const char *data;
	size_t end, begin, least, lines = 0;

	if (log->masks != NULL)
		take_masked(log, 2, "", 0, true, NULL);
	data = log->errors.data;
	end = log->errors.len;
	if (end > 0 && data[end - 1] == '\n')
		end--;
	least = end > FLO__STEPLOG_TAIL_BYTES ? end - FLO__STEPLOG_TAIL_BYTES
					      : 0;
	for (begin = end; begin > least; begin--) {
		lines += data[begin - 1] == '\n';
		if (lines == FLO__STEPLOG_TAIL_LINES)
			break;
	}
	/* Begin with a whole line, unless there is but one. */
	if (begin > 0 && data[begin - 1] != '\n') {
		const char *nl = memchr(data + begin, '\n', end - begin);

		if (nl != NULL)
			begin = (size_t)(nl - data) + 1;
	}
	flo__strbuf_add(sb, data + begin, end - begin);
}

/* Finish the lines that their program did not. */
static flo_status finish(struct flo__steplog *log, flo_error *err)
{
	flo_status st = FLO_OK;

	for (int i = 0; i < 2; i++) {
		struct stream *s = &log->streams[i];

		if (s->line.len > 0)
			add_line(log, i + 1, s->line.data, s->line.len, true);
	}
	TRY(flush(log, err));
	if (too_long(log, 1))
		TRY(cut_middle(log, err));
out:
	return st;
}

bool flo__steplog_is_empty(const struct flo__steplog *log)
{
	return log == NULL || log->empty;
}

flo_status flo__steplog_close(struct flo__steplog *log, flo_error *err)
{
	flo_status st = FLO_OK;
	bool told;

	if (log == NULL)
		return FLO_OK;
	told = log->failed != FLO_OK;
	for (int i = 0; log->masks != NULL && i < 2; i++) {
		take_masked(log, i + 1, "", 0, true, err);
		flo__mask_stream_fini(&log->masks[i]);
	}
	flo__free(log->masks);
	if (log->failed == FLO_OK)
		st = finish(log, err);
	else if (!told)
		st = log->failed;
	if (log->fd >= 0)
		close(log->fd);
	flo__strbuf_fini(&log->out);
	flo__strbuf_fini(&log->errors);
	for (int i = 0; i < 2; i++)
		flo__strbuf_fini(&log->streams[i].line);
	flo__free(log->path);
	flo__free(log);
	return st;
}
