/* The lines that an engine and its worker exchange: see worker_p.h. */
#include "engine/run/worker_p.h"

#include "base/contract.h"
#include "base/value_p.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* ---- writing ---- */

static void add_text(struct flo__strbuf *sb, const char *name, const char *text)
{
	if (text == NULL)
		return;
	flo__strbuf_addf(sb, ",\"%s\":", name);
	flo__strbuf_add_json(sb, text, strlen(text));
}

/* Beyond what JSON keeps exact it makes no difference. */
static void add_number(struct flo__strbuf *sb, const char *name, uint64_t n)
{
	flo__strbuf_addf(sb, ",\"%s\":%" PRIu64, name,
			 n < INT64_MAX ? n : INT64_MAX);
}

void flo__worker_request_write(const struct flo__worker_request *request,
			       struct flo__strbuf *sb)
{
	flo__strbuf_addf(sb, "{\"protocol\":%d", FLO__WORKER_PROTOCOL);
	add_text(sb, "type", request->type);
	flo__strbuf_adds(sb, ",\"with\":");
	flo__value_json(request->with, sb);
	add_text(sb, "run", request->run_id);
	add_text(sb, "trace", request->trace_id);
	add_text(sb, "path", request->path);
	add_text(sb, "key", request->key);
	add_text(sb, "dir", request->dir);
	add_text(sb, "minder", request->minder);
	add_number(sb, "attempt", request->attempt);
	add_number(sb, "grace_ns", request->grace_ns);
	add_number(sb, "output_max", request->output_max);
	flo__strbuf_adds(sb, "}\n");
}

void flo__worker_took_write(const char *type, struct flo__strbuf *sb)
{
	flo__strbuf_addf(sb, "{\"protocol\":%d", FLO__WORKER_PROTOCOL);
	add_text(sb, "took", type);
	flo__strbuf_adds(sb, "}\n");
}

void flo__worker_output_write(const flo_value *output, struct flo__strbuf *sb)
{
	flo__strbuf_adds(sb, "{\"output\":");
	if (output != NULL)
		flo__value_json(output, sb);
	else
		flo__strbuf_adds(sb, "null");
	flo__strbuf_adds(sb, "}\n");
}

static void add_failure(struct flo__strbuf *sb, flo_status status,
			const char *text)
{
	REQUIRE(status != FLO_OK);
	flo__strbuf_addf(sb, "{\"status\":\"%s\",\"text\":",
			 flo_status_name(status));
	flo__strbuf_add_json(sb, text, strlen(text));
	flo__strbuf_adds(sb, "}}\n");
}

void flo__worker_error_write(flo_status status, const char *text,
			     struct flo__strbuf *sb)
{
	flo__strbuf_adds(sb, "{\"error\":");
	add_failure(sb, status, text);
}

void flo__worker_refusal_write(flo_status status, const char *text,
			       struct flo__strbuf *sb)
{
	flo__strbuf_addf(sb,
			 "{\"protocol\":%d,\"refused\":", FLO__WORKER_PROTOCOL);
	add_failure(sb, status, text);
}

/* ---- reading ---- */

static const char *text_of(const flo_value *map, const char *name)
{
	const flo_value *value = flo_value_map_get(map, name);

	if (value == NULL || flo_value_typeof(value) != FLO_VALUE_STRING)
		return NULL;
	return flo_value_get_string(value, NULL);
}

/* A number that is not negative; -1 if there is none. */
static int64_t number_of(const flo_value *map, const char *name)
{
	const flo_value *value = flo_value_map_get(map, name);

	if (value == NULL || flo_value_typeof(value) != FLO_VALUE_INT ||
	    flo_value_get_int(value) < 0)
		return -1;
	return flo_value_get_int(value);
}

static flo_status check_protocol(const flo_value *line, const char *who,
				 flo_error *err)
{
	int64_t protocol = number_of(line, "protocol");

	if (protocol < 0)
		return flo_error_set(err, FLO_CORRUPT,
				     "it does not name its protocol");
	if (protocol != FLO__WORKER_PROTOCOL)
		return flo_error_set(err, FLO_VERSION,
				     "the %s speaks protocol %" PRId64
				     " and not %d: use "
				     "programs of one version",
				     who, protocol, FLO__WORKER_PROTOCOL);
	return FLO_OK;
}

flo_status flo__worker_request_read(const flo_value *line, flo_error *err,
				    struct flo__worker_request *ret_request)
{
	int64_t attempt = number_of(line, "attempt");
	int64_t grace_ns = number_of(line, "grace_ns");
	int64_t output_max = number_of(line, "output_max");
	struct flo__worker_request request = {
		.type = text_of(line, "type"),
		.with = flo_value_map_get(line, "with"),
		.run_id = text_of(line, "run"),
		.trace_id = text_of(line, "trace"),
		.path = text_of(line, "path"),
		.key = text_of(line, "key"),
		.dir = text_of(line, "dir"),
		.minder = text_of(line, "minder"),
		.attempt = (unsigned)attempt,
		.grace_ns = (uint64_t)grace_ns,
		.output_max = (uint64_t)output_max,
	};
	flo_status st = check_protocol(line, "engine", err);

	if (st != FLO_OK)
		return st;
	if (request.type == NULL || request.with == NULL ||
	    flo_value_typeof(request.with) != FLO_VALUE_MAP ||
	    request.run_id == NULL || request.trace_id == NULL ||
	    request.path == NULL || request.key == NULL ||
	    request.dir == NULL || attempt < 0 || attempt > UINT32_MAX ||
	    grace_ns < 0 || output_max < 0)
		return flo_error_set(err, FLO_CORRUPT,
				     "a part of the request is missing");
	*ret_request = request;
	return FLO_OK;
}

/* The status of that name; FLO_OK if there is none, or it is OK. */
static flo_status status_named(const char *name)
{
	static const struct {
		flo_status status;
		const char *name;
	} all[] = {
#define FLO_STATUS_X(code, text) {FLO_##code, #code},
		FLO_STATUS_MAP(FLO_STATUS_X)
#undef FLO_STATUS_X
	};

	for (size_t i = 0; name != NULL && i < sizeof(all) / sizeof(all[0]);
	     i++) {
		if (strcmp(all[i].name, name) == 0)
			return all[i].status;
	}
	return FLO_OK;
}

static flo_status read_failure(const flo_value *failure,
			       enum flo__worker_said said, flo_error *err,
			       struct flo__worker_reply *ret)
{
	flo_status status = status_named(text_of(failure, "status"));
	const char *text = text_of(failure, "text");

	if (status == FLO_OK || text == NULL)
		return flo_error_set(err, FLO_CORRUPT,
				     "it says of no known way how it failed");
	ret->said = said;
	ret->status = status;
	flo_error_set(&ret->text, status, "%s",
		      text[0] != '\0' ? text : flo_status_text(status));
	return FLO_OK;
}

static flo_status read_first(const flo_value *line, flo_error *err,
			     struct flo__worker_reply *ret)
{
	const flo_value *refused = flo_value_map_get(line, "refused");
	flo_status st = check_protocol(line, "worker", err);

	if (st != FLO_OK)
		return st;
	if (refused != NULL)
		return read_failure(refused, FLO__WORKER_REFUSED, err, ret);
	if (text_of(line, "took") == NULL)
		return flo_error_set(err, FLO_CORRUPT,
				     "its first line takes nothing");
	ret->said = FLO__WORKER_TOOK;
	ret->took = true;
	return FLO_OK;
}

static flo_status read_second(const flo_value *line, flo_error *err,
			      struct flo__worker_reply *ret)
{
	const flo_value *output = flo_value_map_get(line, "output");
	const flo_value *error = flo_value_map_get(line, "error");
	const flo_value *refused = flo_value_map_get(line, "refused");

	if (flo_value_len(line) == 1 && output != NULL) {
		ret->said = FLO__WORKER_OUTPUT;
		if (flo_value_typeof(output) != FLO_VALUE_NULL)
			ret->output = flo_value_ref(output);
		return FLO_OK;
	}
	if (error != NULL)
		return read_failure(error, FLO__WORKER_ERROR, err, ret);
	if (refused != NULL)
		return read_failure(refused, FLO__WORKER_REFUSED, err, ret);
	return flo_error_set(err, FLO_CORRUPT,
			     "its second line says nothing of an end");
}

/* Read the next line as JSON; *@ret stays NULL if it has no newline. */
static flo_status next_line(const char *bytes, size_t len, size_t *at,
			    flo_error *err, flo_value **ret)
{
	flo_error why = FLO_ERROR_INIT;
	const char *nl = memchr(bytes + *at, '\n', len - *at);
	size_t end = nl != NULL ? (size_t)(nl - bytes) : len;
	flo_status st;

	if (nl == NULL)
		return FLO_OK;
	st = flo_value_from_json(bytes + *at, end - *at, 0, &why, ret);
	*at = end + 1;
	if (st == FLO_NOMEM)
		return flo_error_set(err, st, "out of memory");
	if (st != FLO_OK)
		return flo_error_set(err, FLO_CORRUPT, "%s", why.text);
	return FLO_OK;
}

flo_status flo__worker_reply_read(const char *bytes, size_t len, flo_error *err,
				  struct flo__worker_reply *ret_reply)
{
	flo_value *first = NULL, *second = NULL;
	size_t at = 0;
	flo_status st;

	TRY(next_line(bytes, len, &at, err, &first));
	if (first == NULL)
		goto out;
	TRY(read_first(first, err, ret_reply));
	if (ret_reply->said == FLO__WORKER_TOOK)
		TRY(next_line(bytes, len, &at, err, &second));
	if (second != NULL)
		TRY(read_second(second, err, ret_reply));
	if (ret_reply->said != FLO__WORKER_TOOK && at != len)
		st = flo_error_set(err, FLO_CORRUPT,
				   "there is text behind its last line");
out:
	flo_value_unref(second);
	flo_value_unref(first);
	return st;
}

/* ---- the file ---- */

flo_status flo__worker_text_read(int fd, uint64_t at, uint64_t max,
				 flo_error *err, struct flo__strbuf *sb)
{
	size_t begin = sb->len;

	while (sb->len - begin < max) {
		size_t want = 16384;
		const char *nul;
		ssize_t n;

		if (want > max - (sb->len - begin))
			want = (size_t)(max - (sb->len - begin));
		if (!flo__strbuf_reserve(sb, want))
			return flo_error_set(err, FLO_NOMEM, "out of memory");
		n = pread(fd, sb->data + sb->len, want,
			  (off_t)(at + (sb->len - begin)));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return flo_error_sys(err, errno, "cannot read it");
		nul = memchr(sb->data + sb->len, '\0', (size_t)n);
		sb->len += nul != NULL ? (size_t)(nul - sb->data) - sb->len
				       : (size_t)n;
		sb->data[sb->len] = '\0';
		if (n == 0 || nul != NULL)
			break;
	}
	return FLO_OK;
}

int flo__worker_text_write(int fd, uint64_t at, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : ENOSPC;
		bytes += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}
