/* cmdb.pull over HTTP where memory fails; tests/http/ has what servers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include "base/alloc.h"
#include "steps/cmdb/pull_http_p.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server: one thread, one answer a connection, until its socket is shut. */
static int listener;
static int port;
static pthread_t server;

static const struct {
	const char *target;
	const char *answer;
} answers[] = {
	{"GET /moved ", "HTTP/1.1 302 Found\r\nLocation: /list\r\n"
			"Content-Length: 0\r\n\r\n"},
	{"GET /list ", "HTTP/1.1 200 OK\r\nETag: \"1\"\r\n"
		       "Link: </p2>; rel=\"next\"\r\n"
		       "Content-Type: application/json\r\n"
		       "Content-Length: 32\r\n\r\n"
		       "{\"items\":[{\"id\":1}],\"next\":\"p2\"}"},
	{"GET /p2 ", "HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n"
		     "{\"items\":[{\"id\":2}],\"meta\":{\"c\":\"a&b\"}}"},
	{"GET /moved?since=a%26b ",
	 "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n"
	 "{\"items\":[{\"id\":3}],\"meta\":{\"c\":1}}"},
	{"", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
};

static const char *answer_to(const char *head)
{
	size_t i = 0;

	while (strncmp(head, answers[i].target, strlen(answers[i].target)) != 0)
		i++;
	return answers[i].answer;
}

static void serve_one(int fd)
{
	char head[4096] = "";
	size_t len = 0;
	const char *answer;
	ssize_t n;

	while (len < sizeof(head) - 1 && strstr(head, "\r\n\r\n") == NULL) {
		n = recv(fd, head + len, sizeof(head) - 1 - len, 0);
		if (n <= 0)
			return;
		len += (size_t)n;
		head[len] = '\0';
	}
	answer = answer_to(head);
	n = send(fd, answer, strlen(answer), MSG_NOSIGNAL);
	(void)n; /* the client may have gone: its part of the test tells */
}

static void *serve(void *arg)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve_one(fd);
		close(fd);
	}
	return arg;
}

static int start(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(listener, 16) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) != 0 ||
	    pthread_create(&server, NULL, serve, NULL) != 0)
		return -1;
	port = ntohs(at.sin_port);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	unsetenv("all_proxy");
	return set_up(state);
}

static int stop(void **state)
{
	shutdown(listener, SHUT_RDWR);
	pthread_join(server, NULL);
	close(listener);
	return tear_down(state);
}

/* Pull with each allocation failing in turn, until none is left. */
static void fail_each(const char *db, const char *key, const char *http,
		      int64_t state_rows)
{
	flo_status st = FLO_NOMEM;
	char with[1024];
	long n = 1;

	snprintf(with, sizeof(with),
		 "{\"db\":\"%s\",\"source\":\"vm\",\"records\":\"/items\","
		 "\"http\":{\"url\":\"http://127.0.0.1:%d/moved\","
		 "\"retries\":0,\"headers\":{\"X-Key\":\"k\"},%s}}",
		 db, port, http);
	for (;; n++) {
		fs.alloc_fail_at = n;
		st = fake_step(&fs, &flo__cmdb_pull, key, NULL, "%s", with);
		fs.alloc_fail_at = 0;
		if (st != FLO_OK && st != FLO_NOMEM)
			fail_msg("allocation %ld: %s: %s", n,
				 flo_status_name(st), fs.err.text);
		if (fs.allocs < n)
			break;
		assert_int_equal(query(db, "SELECT count(*) FROM pull WHERE"
					   " complete = 0"),
				 0);
		assert_int_equal(query(db, "SELECT count(*) FROM state"),
				 state_rows);
	}
	fake_ok(&fs, st);
	assert_true(n > 40);
}

static void every_allocation_of_pages_may_fail(void **state)
{
	(void)state;
	flo_value_unref(pull_text("a.db", "1", "[]"));
	fail_each("a.db", "2", "\"next\":\"link\"", 0);
	assert_int_equal(query("a.db", "SELECT rows FROM pull ORDER BY no DESC"
				       " LIMIT 1"),
			 2);
	fail_each("a.db", "3", "\"next\":\"/next\",\"max_bytes\":1000", 0);
	assert_int_equal(query("a.db", "SELECT rows FROM pull ORDER BY no DESC"
				       " LIMIT 1"),
			 2);
}

#define CHANGES                                                                \
	"\"next\":\"/next\",\"changes\":{\"cursor\":\"/meta/c\","              \
	"\"param\":\"since\"}"

static void every_allocation_of_changes_may_fail(void **state)
{
	flo_value *diff = NULL;

	(void)state;
	flo_value_unref(pull_text("c.db", "1", "[]"));
	fail_each("c.db", "2", CHANGES, 0);
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, "3", &diff,
			       "{\"db\":\"c.db\",\"pull\":\"%s\",\"key\":"
			       "[\"/id\"]}",
			       query_text("c.db", "SELECT id FROM pull"
						  " ORDER BY no DESC"
						  " LIMIT 1")));
	flo_value_unref(apply_plan("c.db", diff));
	flo_value_unref(diff);
	assert_string_equal(query_text("c.db", "SELECT cursor FROM source"),
			    "a&b");
	fail_each("c.db", "4", CHANGES, 2);
	assert_string_equal(query_text("c.db", "SELECT kind FROM pull ORDER BY"
					       " no DESC LIMIT 1"),
			    "changes");
}

/* Whether @text, of lines or with /items, says by @is that it is gone. */
static flo_status look_for(const flo_value *is, bool lines,
			   flo_context *context, const char *text,
			   bool *ret_gone)
{
	const struct flo__http_args args = {.gone_at = "/code",
					    .gone_is = is,
					    .records = {"/items"},
					    .records_len = lines ? 0 : 1};
	int fd = memfd_create("answer", MFD_CLOEXEC);
	flo_error err = FLO_ERROR_INIT;
	flo_status st;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	*ret_gone = false;
	st = flo__http_says_gone(&args, context, fd, &err, ret_gone);
	close(fd);
	return st;
}

static flo_status look_for_gone(flo_context *context, const char *text,
				bool *ret_gone)
{
	flo_value *is = flo_value_int(410);
	flo_status st = look_for(is, true, context, text, ret_gone);

	flo_value_unref(is);
	return st;
}

static void a_sign_is_told_by_its_value(void **state)
{
	static const struct {
		const char *is;
		const char *code;
		bool gone;
	} cases[] = {
		{"1.1", "1.1", true},
		{"1.1", "1.10", true},
		{"1.1", "1.2", false},
		{"\"old\"", "\"o\\u006cd\"", true},
		{"\"old\"", "\"older\"", false},
		{"true", "true", true},
		{"410", "\"410\"", false},
		{"410", "[410]", false},
		{"410", "{\"a\":410}", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo_value *is = NULL;
		char text[128];
		bool gone = false;

		assert_int_equal(flo_value_from_json(cases[i].is,
						     strlen(cases[i].is),
						     FLO_JSON_ANY, NULL, &is),
				 FLO_OK);
		snprintf(text, sizeof(text), "{\"id\":1}\n{\"code\":%s}\n",
			 cases[i].code);
		assert_int_equal(look_for(is, true, NULL, text, &gone), FLO_OK);
		assert_int_equal(gone, cases[i].gone);
		snprintf(text, sizeof(text), "{\"code\":%s,\"items\":[]}",
			 cases[i].code);
		assert_int_equal(look_for(is, false, NULL, text, &gone),
				 FLO_OK);
		assert_int_equal(gone, cases[i].gone);
		flo_value_unref(is);
	}
}

static void a_long_value_before_a_sign_is_none(void **state)
{
	static char text[20100] = "{\"code\":\"";
	flo_context *context = flo_context_new(NULL);
	bool gone = false;

	(void)state;
	memset(text + strlen(text), 'x', 20000);
	strcat(text, "\"}\n{\"code\":410}\n");
	assert_int_equal(look_for_gone(context, text, &gone), FLO_OK);
	assert_true(gone);
	flo_context_unref(context);
}

/* Of gigabytes, say, of which none is a sign. */
static void the_look_for_a_sign_ends_with_the_step(void **state)
{
	flo_context *context = flo_context_new(NULL);
	bool gone = true;

	(void)state;
	assert_int_equal(look_for_gone(context, "{\"code\":41}\n", &gone),
			 FLO_OK);
	assert_false(gone);
	assert_int_equal(look_for_gone(context, "{}\n{\"code\":410}\n", &gone),
			 FLO_OK);
	assert_true(gone);
	/* What is broken is for those to tell who read the records. */
	assert_int_equal(look_for_gone(context, "{\"code\":410", &gone),
			 FLO_OK);
	assert_false(gone);
	flo_context_cancel(context, NULL);
	assert_int_equal(look_for_gone(context, "{}\n{\"code\":410}\n", &gone),
			 FLO_CANCELED);
	assert_false(gone);
	flo_context_unref(context);
}

static void fetch_into(struct flo__http *http, const char *path, int fd,
		       int want)
{
	static const int missing[] = {404, 0};
	struct flo__http_response got = {0};
	flo_error err = FLO_ERROR_INIT;
	char url[64];
	const struct flo__http_request request = {.url = url,
						  .fd = fd,
						  .answers = missing};

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
	if (flo__http_fetch(http, &request, &err, &got) != FLO_OK)
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(got.status, want);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	flo__http_response_fini(&got);
}

static void an_answer_that_is_no_document_leaves_an_empty_file(void **state)
{
	flo_context *context = flo_context_new(NULL);
	const struct flo__http_options options = {.context = context,
						  .connect_timeout_ns =
							  UINT64_C(60000000000),
						  .idle_timeout_ns =
							  UINT64_C(60000000000),
						  .bytes_max = 1000};
	int fd = memfd_create("page", MFD_CLOEXEC);
	struct flo__http *http = NULL;

	(void)state;
	assert_int_equal(flo__http_open(&options, NULL, &http), FLO_OK);
	fetch_into(http, "/list", fd, 200);
	assert_int_equal(lseek(fd, 0, SEEK_END), 32);
	fetch_into(http, "/none", fd, 404);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	flo__http_close(http);
	close(fd);
	flo_context_unref(context);
}

/* Page @number, from 1 on. */
static flo_status add_page(struct flo__trail *trail, unsigned number,
			   uint64_t max, flo_error *err)
{
	char url[64];

	snprintf(url, sizeof(url), "http://h/list?page=%u", number);
	flo_error_clear(err);
	return flo__trail_add(trail, url, max, err);
}

#define PAGES 20000

static void a_page_is_known_again_among_many(void **state)
{
	struct flo__trail trail = {0};
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	for (unsigned i = 1; i <= PAGES; i++)
		assert_int_equal(add_page(&trail, i, PAGES, &err), FLO_OK);
	for (unsigned i = 1; i <= PAGES; i++) {
		char says[64];

		snprintf(says, sizeof(says), "as page %u:", i);
		assert_int_equal(add_page(&trail, i, PAGES, &err), FLO_FAILED);
		assert_non_null(strstr(err.text, says));
	}
	assert_int_equal(trail.len, PAGES);
	assert_int_equal(add_page(&trail, PAGES + 1, PAGES, &err), FLO_LIMIT);
	assert_int_equal(add_page(&trail, PAGES + 1, PAGES + 1, &err), FLO_OK);
	flo__trail_fini(&trail);
}

static void a_trail_without_memory_is_as_it_was(void **state)
{
	struct flo__trail trail = {0};
	flo_error err = FLO_ERROR_INIT;
	unsigned failures = 0;

	(void)state;
	for (unsigned i = 1; i <= 100; i++)
		for (long nth = 1;; nth++) {
			flo_status st;

			flo__alloc_fail_at(nth, 0);
			st = add_page(&trail, i, 100, &err);
			flo__alloc_fail_at(0, 0);
			if (st == FLO_OK)
				break;
			assert_int_equal(st, FLO_NOMEM);
			assert_int_equal(trail.len, i - 1);
			failures++;
		}
	/* 16, 32, 64 and 128 pages. */
	assert_int_equal(failures, 8);
	assert_int_equal(add_page(&trail, 1, 100, &err), FLO_FAILED);
	flo__trail_fini(&trail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_of_pages_may_fail),
		cmocka_unit_test(every_allocation_of_changes_may_fail),
		cmocka_unit_test(
			an_answer_that_is_no_document_leaves_an_empty_file),
		cmocka_unit_test(a_page_is_known_again_among_many),
		cmocka_unit_test(a_trail_without_memory_is_as_it_was),
		cmocka_unit_test(a_sign_is_told_by_its_value),
		cmocka_unit_test(a_long_value_before_a_sign_is_none),
		cmocka_unit_test(the_look_for_a_sign_ends_with_the_step),
	};

	return cmocka_run_group_tests_name("cmdb_http", tests, start, stop);
}
