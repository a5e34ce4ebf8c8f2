/* The worker's side alone: a request in a file, served in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>

#include "base/alloc.h"
#include "engine/run/worker_p.h"
#include "engine/run/worker_serve.h"
#include "json/json_p.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TOOK "{\"protocol\":1,\"took\":\"test.double\"}\n"

static flo_status run_double(flo_step_call *call, const flo_value *with,
			     flo_error *err, flo_value **ret_output)
{
	const flo_value *n = flo_value_map_get(with, "n");

	if (n == NULL)
		return flo_error_set(err, FLO_INVALID, "n is missing\xff in %s",
				     flo_step_path(call));
	*ret_output = flo_value_int(2 * flo_value_get_int(n));
	return *ret_output != NULL ? FLO_OK : FLO_NOMEM;
}

static const flo_step_type type = {.name = "test.double", .run = run_double};

static const flo_step_type *find(const struct flo__registry *registry,
				 const char *name, size_t len)
{
	(void)registry;
	return len == strlen(type.name) && memcmp(name, type.name, len) == 0
		       ? &type
		       : NULL;
}

static const struct flo__registry registry = {.find = find};

/* One request and what came of it. */
struct served {
	flo_runtime *rt;
	struct flo__worker worker;
	long alloc_fail_at;
	bool told;
	char reply[2048];
};

static void serve(void *arg)
{
	struct served *s = arg;

	flo__alloc_fail_at(s->alloc_fail_at, 0);
	s->told = flo__worker_serve(&s->worker);
	flo__alloc_fail_at(0, 0);
}

/* Serve @request, with room for @room bytes of a reply. */
static void serve_text(struct served *s, const char *request, size_t room)
{
	const struct flo_runtime_options options = {.procs = 1,
						    .stack_size = 256 * 1024};
	size_t at = strlen(request);
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;

	assert_int_equal(ftruncate(fd, (off_t)(at + room)), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_int_equal(pwrite(fd, request, at, 0), at);
	assert_int_equal(flo_runtime_new(&options, NULL, &s->rt), FLO_OK);
	s->worker = (struct flo__worker){.registry = &registry, .channel = fd};
	s->worker.context = flo_context_new(s->rt);
	assert_int_equal(flo_runtime_run(s->rt, serve, s), FLO_OK);
	flo_context_unref(s->worker.context);
	flo_runtime_free(s->rt);
	memset(s->reply, 0, sizeof(s->reply));
	n = pread(fd, s->reply, sizeof(s->reply) - 1, (off_t)at);
	assert_true(n >= 0);
	close(fd);
}

#define REST                                                                   \
	"\"run\":\"r\",\"trace\":\"t\",\"path\":\"a.b\",\"key\":\"r/"          \
	"a.b\",\"dir\":\"/\",\"attempt\":1,\"grace_ns\":0,"                    \
	"\"output_max\":1000}\n"
#define REQUEST(type, with)                                                    \
	"{\"protocol\":1,\"type\":\"" type "\",\"with\":" with "," REST

static const struct {
	const char *request, *reply; /* a part of it */
} requests[] = {
	{REQUEST("test.double", "{\"n\":4}"), TOOK "{\"output\":8}\n"},
	{REQUEST("test.double", "{}"),
	 TOOK "{\"error\":{\"status\":\"INVALID\",\"text\":\"n is missing in "
	      "a.b\"}}\n"},
	{REQUEST("test.triple", "{}"), "\"refused\":{\"status\":\"NOTFOUND\""},
	{REQUEST("test.double", "[]"), "\"refused\":{\"status\":\"CORRUPT\""},
	{"{\"protocol\":2}\n",
	 "{\"protocol\":1,\"refused\":{\"status\":\"VERSION\",\"text\":\"the "
	 "engine speaks protocol 2 and not 1"},
	{"{\"protocol\":\"1\"}\n", "\"CORRUPT\""},
	{"{\"protocol\":1}\n", "a part of the request is missing"},
	{"{}\n", "\"CORRUPT\""},
	{"7\n", "\"CORRUPT\""},
	{"", "it has no end"},
	{"\n", "\"CORRUPT\""},
	{"{\"protocol\":1", "it has no end"},
	{"\xff\n", "\"CORRUPT\""},
};

static void any_request_is_served_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct served s = {.told = false};

		serve_text(&s, requests[i].request, 1024);
		assert_true(s.told);
		if (strstr(s.reply, requests[i].reply) == NULL)
			fail_msg("%s: %s", requests[i].request, s.reply);
	}
}

static void any_failed_allocation_is_told(void **state)
{
	struct served s = {.alloc_fail_at = 1};
	int failed = 0;

	(void)state;
	for (; strcmp(s.reply, requests[0].reply) != 0; s.alloc_fail_at++) {
		serve_text(&s, requests[0].request, 1024);
		assert_true(s.told);
		if (strcmp(s.reply, requests[0].reply) == 0)
			break;
		failed++;
		if (strstr(s.reply, "\"status\":\"NOMEM\"") == NULL)
			fail_msg("%ld: %s", s.alloc_fail_at, s.reply);
	}
	assert_true(failed > 5);
}

/* The end of the reply is what does not fit: it is not taken for one. */
static void a_reply_without_room_is_none(void **state)
{
	(void)state;
	for (size_t room = 0; room < sizeof(TOOK "{\"output\":8}\n") - 1;
	     room++) {
		struct served s = {.told = true};
		struct flo__worker_reply reply = {.took = false};

		serve_text(&s, requests[0].request, room);
		assert_false(s.told);
		assert_int_equal(strlen(s.reply) <= room, 1);
		assert_int_equal(flo__worker_reply_read(s.reply,
							strlen(s.reply), NULL,
							&reply),
				 FLO_OK);
		assert_int_equal(reply.took, room >= strlen(TOOK));
		assert_true(reply.said <= FLO__WORKER_TOOK);
	}
}

static void a_refusal_stands_behind_the_request(void **state)
{
	char text[256] = "";
	int fd = memfd_create("test", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, 1000), 0);
	assert_int_equal(pwrite(fd, "{}\n", 3, 0), 3);
	assert_true(flo__worker_refuse(fd, FLO_LIMIT, "no threads"));
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "{}\n{\"protocol\":1,\"refused\":{\"status\":"
				  "\"LIMIT\",\"text\":\"no threads\"}}\n");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_request_is_served_or_refused),
		cmocka_unit_test(any_failed_allocation_is_told),
		cmocka_unit_test(a_reply_without_room_is_none),
		cmocka_unit_test(a_refusal_stands_behind_the_request),
	};

	flo__json_guard_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
