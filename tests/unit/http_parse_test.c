/* What the HTTP client reads and writes without a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "steps/http/fields.h"
#include "steps/http/link.h"
#include "steps/http/url.h"

#include <stdio.h>
#include <string.h>

static const struct flo__curl *curl;
static flo_error err;

/* Link */

static void expect_next(const char *link, const char *target)
{
	char *next = NULL;

	flo_error_clear(&err);
	if (flo__http_link_next(link, &err, &next) != FLO_OK)
		fail_msg("%s: %s", link, err.text);
	if (target == NULL ? next != NULL
			   : next == NULL || strcmp(next, target) != 0)
		fail_msg("%s: %s", link, next != NULL ? next : "nothing");
	flo__free(next);
}

static void the_next_link_is_found(void **state)
{
	(void)state;
	expect_next("<https://h/a?page=2>; rel=\"next\"", "https://h/a?page=2");
	expect_next("<a>; rel=prev, <b>; rel=next", "b");
	expect_next("<a>;rel=\"last\",<b>;rel=\"prev NEXT\"", "b");
	expect_next("<a,b;c>; title=\"x, <y>; rel=next\"; rel=\"next\"",
		    "a,b;c");
	expect_next("<a>; title=\"\\\"\"; rel=\"next\"", "a");
	expect_next("<a> ; REL = \"next\"", "a");
	expect_next("<>; rel=next", "");
	expect_next("<a>;\trel\t=\t\"prev\tnext\"\t", "a");
	expect_next(" , ,<a>; rel=prev,, <b>;; rel=next; ,", "b");
	expect_next("<a>; title*=UTF-8''%e2%82%ac; results=\"true\"; "
		    "rel=next; crossorigin",
		    "a");
	/* What follows it can wait until it is asked for. */
	expect_next("<a>; rel=next, b", "a");
}

static void other_links_are_no_next(void **state)
{
	(void)state;
	expect_next("", NULL);
	expect_next("<a>", NULL);
	expect_next("<a>; rel=\"prev\"", NULL);
	expect_next("<a>; rel=\"nextnext\"", NULL);
	expect_next("<a>; title=\"rel=next\"", NULL);
	expect_next(", ,", NULL);
	expect_next("<a>;", NULL);
	expect_next("<a?b=c d>; rel=last; type=text/html;q=1", NULL);
	expect_next("<a>; rel=preload; as=style; crossorigin", NULL);
	expect_next("<a>; title=; rel=https://h/rel", NULL);
	/* Only the first rel of a link counts (RFC 8288, 3.3). */
	expect_next("<a>; rel=prev; rel=next", NULL);
}

static void expect_broken(const char *link, const char *what, const char *shown)
{
	char *next = NULL;

	flo_error_clear(&err);
	assert_int_equal(flo__http_link_next(link, &err, &next), FLO_CORRUPT);
	assert_null(next);
	if (strstr(err.text, what) == NULL || strstr(err.text, shown) == NULL)
		fail_msg("%s: %s", link, err.text);
}

/* Each may have been meant as the next page's. */
static void links_that_cannot_be_read_are_errors(void **state)
{
	(void)state;
	expect_broken("</2; rel=next", "no \">\"", "this is </2; rel=next");
	expect_broken("</2; rel=\"next\", </1>; rel=prev", "no \">\"", "</2;");
	expect_broken("</2; rel=next, </1>; rel=prev", "no \">\"", "</2;");
	expect_broken("</2> rel=\"next\"", "no \";\" after a URL",
		      "</2> rel=\"next\"");
	expect_broken("/2; rel=\"next\"", "no \"<\"", "/2; rel=\"next\"");
	expect_broken("</1>; rel=prev, /2; rel=next", "no \"<\"",
		      "this is /2; rel=next");
	expect_broken("</2>; rel='next'", "in single quotes", "rel='next'");
	expect_broken("</2>; rel=prev next", "no \";\" between", "prev next");
	expect_broken("</2>; rel next", "no \";\" between", "rel next");
	expect_broken("</2>; \"rel\"=next", "no \";\" between", "\"rel\"");
	expect_broken("</2>; rel=", "without a value", "</2>; rel=");
	expect_broken("</2>; rel", "without a value", "</2>; rel");
	expect_broken("</2>; rel=\"\"", "without a value", "rel=\"\"");
	expect_broken("</2>; rel=\"next", "quote without an end", "</2>;");
	expect_broken("</2>; title=\"a\\\"; rel=next", "without an end",
		      "</2>;");
}

static void what_is_shown_of_a_link_is_short_and_has_no_query(void **state)
{
	char link[400] = "</1>; rel=prev, <https://h/list?token=hunter2 ";

	(void)state;
	expect_broken("</2?a;token=hunter2,b; rel=next", "no \">\"",
		      "</2?... rel=next");
	assert_null(strstr(err.text, "hunter2"));
	memset(link + strlen(link), 'x', 200);
	expect_broken(link, "no \">\"", "this is <https://h/list?... ...");
	assert_null(strstr(err.text, "xx"));
}

static void every_allocation_of_a_link_may_fail(void **state)
{
	static const char text[] = "<a>; title=\"t\"; rel=\"next\"";
	long nth = 0;
	flo_status st;

	(void)state;
	do {
		char *next = NULL;

		flo__alloc_fail_at(++nth, 0);
		flo_error_clear(&err);
		st = flo__http_link_next(text, &err, &next);
		flo__alloc_fail_at(0, 0);
		assert_true(st == FLO_NOMEM || st == FLO_OK);
		assert_true(st != FLO_OK || strcmp(next, "a") == 0);
		flo__free(next);
	} while (st != FLO_OK);
	assert_true(nth > 2);
}

/* Heads */

static void a_line(struct flo__http_fields *fields, const char *text)
{
	flo__http_fields_line(fields, text, strlen(text));
}

static void fields_are_found_whatever_their_case(void **state)
{
	struct flo__http_fields fields = {0};

	(void)state;
	a_line(&fields, "HTTP/1.1 200 OK\r\n");
	a_line(&fields, "ETAG: W/\"1 2\" \r\n");
	a_line(&fields, "last-Modified:Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	a_line(&fields, "Link: <a>; rel=x\r\n");
	a_line(&fields, "link: <b>; rel=next\r\n");
	a_line(&fields, "no colon\r\n");
	a_line(&fields, "\r\n");
	assert_string_equal(fields.etag, "W/\"1 2\"");
	assert_string_equal(fields.modified, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_string_equal(fields.link, "<a>; rel=x, <b>; rel=next");
	assert_null(fields.type);
	assert_false(fields.failed);
	flo__http_fields_fini(&fields);
}

static void a_second_head_begins_anew(void **state)
{
	struct flo__http_fields fields = {0};

	(void)state;
	a_line(&fields, "HTTP/1.1 103 Early Hints\r\n");
	a_line(&fields, "Link: <a>; rel=next\r\n");
	a_line(&fields, "HTTP/2 200\r\n");
	assert_null(fields.link);
	flo__http_fields_fini(&fields);
}

static void control_bytes_and_long_values_are_left_out(void **state)
{
	struct flo__http_fields fields = {0};
	char line[2000] = "ETag: ";

	(void)state;
	a_line(&fields, "ETag: a\001b\r\n");
	a_line(&fields, "\r\n");
	assert_null(fields.etag);
	memset(line + 6, 'x', sizeof(line) - 7);
	a_line(&fields, line);
	a_line(&fields, "\r\n");
	assert_null(fields.etag);
	flo__http_fields_fini(&fields);
}

static void tabs_are_as_good_as_spaces(void **state)
{
	struct flo__http_fields fields = {0};

	(void)state;
	a_line(&fields, "Link:\t</2>;\trel=\"next\"\t\r\n");
	a_line(&fields, "Content-Encoding:\tgzip\r\n");
	a_line(&fields, "Content-Type: a/b;\tc=d\r\n");
	a_line(&fields, "\r\n");
	assert_string_equal(fields.link, "</2>; rel=\"next\"");
	assert_null(fields.link_lost);
	assert_string_equal(fields.encoding, "gzip");
	assert_string_equal(fields.type, "a/b; c=d");
	flo__http_fields_fini(&fields);
}

static void folded_lines_are_one_field(void **state)
{
	struct flo__http_fields fields = {0};

	(void)state;
	a_line(&fields, "HTTP/1.1 200 OK\r\n");
	a_line(&fields, " ETag: \"of nothing\"\r\n");
	a_line(&fields, "Link:\r\n");
	a_line(&fields, " </2>; \r\n");
	a_line(&fields, "\t \r\n");
	a_line(&fields, "\t rel=next:\r\n");
	a_line(&fields, "Content-Type: a/b\r\n");
	a_line(&fields, " \r\n");
	a_line(&fields, "Date: \r\n");
	a_line(&fields, "\r\n");
	assert_string_equal(fields.date, "");
	assert_null(fields.etag);
	assert_string_equal(fields.link, "</2>;  rel=next:");
	assert_string_equal(fields.type, "a/b");
	flo__http_fields_fini(&fields);
}

static void a_space_before_the_colon_hides_no_link(void **state)
{
	struct flo__http_fields fields = {0};

	(void)state;
	a_line(&fields, "Link\t : </2>; rel=next\r\n");
	a_line(&fields, "Linked: </3>; rel=next\r\n");
	a_line(&fields, "\r\n");
	assert_string_equal(fields.link, "</2>; rel=next");
	flo__http_fields_fini(&fields);
}

/* A page that is not known of would be one that is not there. */
static void a_link_that_is_left_out_is_told(void **state)
{
	static char line[70000] = "Link: <";
	struct flo__http_fields fields = {0};

	(void)state;
	a_line(&fields, "Link: </2\001>; rel=next\r\n");
	a_line(&fields, "Link: </3>; rel=prev\r\n");
	a_line(&fields, "\r\n");
	assert_string_equal(fields.link, "</3>; rel=prev");
	assert_non_null(strstr(fields.link_lost, "control character"));
	a_line(&fields, "HTTP/1.1 200 OK\r\n");
	assert_null(fields.link_lost);
	memset(line + 7, 'x', sizeof(line) - 8);
	a_line(&fields, line);
	a_line(&fields, "\r\n");
	assert_null(fields.link);
	assert_non_null(strstr(fields.link_lost, "more than 65536 bytes"));
	flo__http_fields_fini(&fields);
}

/* Whether a head of these two lines (NULL: none) says where the body ends. */
static bool framed(const char *status, const char *one, const char *two)
{
	struct flo__http_fields fields = {0};
	bool is;

	a_line(&fields, "HTTP/1.1 200 OK\r\n");
	a_line(&fields, "Content-Length: 7\r\n");
	a_line(&fields, "Transfer-Encoding: chunked\r\n");
	/* What was said before this one does not count. */
	a_line(&fields, status);
	if (one != NULL)
		a_line(&fields, one);
	if (two != NULL)
		a_line(&fields, two);
	a_line(&fields, "\r\n");
	is = flo__http_fields_framed(&fields);
	flo__http_fields_fini(&fields);
	return is;
}

#define V1 "HTTP/1.1 200 OK\r\n"
#define CL "Content-Length: "
#define TE "Transfer-Encoding: "

static void lengths_and_chunks_frame_a_body(void **state)
{
	(void)state;
	assert_true(framed(V1, CL "0", NULL));
	assert_true(framed(V1, "content-length:12345678901234567", NULL));
	assert_true(framed(V1, TE "chunked", NULL));
	assert_true(framed(V1, "transfer-encoding: gzip , CHUNKED ", NULL));
	assert_true(framed(V1, TE "gzip", TE "chunked"));
	assert_true(framed(V1, TE "chunked", CL "5"));
	assert_true(framed("HTTP/1.0 200\r\n", CL "5", NULL));
	assert_true(framed(V1, CL "5", CL "5"));
	assert_true(framed(V1, CL "5", CL "05"));
	assert_true(framed("HTTP/2 200\r\n", NULL, NULL));
	assert_true(framed("HTTP/3 200\r\n", NULL, NULL));
}

static void nothing_else_frames_a_body(void **state)
{
	(void)state;
	assert_false(framed(V1, NULL, NULL));
	assert_false(framed(V1, TE "identity", NULL));
	assert_false(framed(V1, TE "gzip", NULL));
	assert_false(framed(V1, TE "x-chunked", NULL));
	assert_false(framed(V1, TE "chunkedness", NULL));
	assert_false(framed(V1, TE, NULL));
	assert_false(framed(V1, TE "chunked, gzip", NULL));
	assert_false(framed(V1, TE "chunked", TE "identity"));
	/* Another coding makes the length none (RFC 9112, 6.3). */
	assert_false(framed(V1, TE "identity", CL "5"));
	assert_false(framed(V1, CL "5", TE "identity"));
	/* Lengths that nobody can count with. */
	assert_false(framed(V1, CL, NULL));
	assert_false(framed(V1, CL "-1", NULL));
	assert_false(framed(V1, CL "5 6", NULL));
	assert_false(framed(V1, CL "99999999999999999999", NULL));
	assert_false(framed(V1, CL "5", CL "99999999999999999999"));
	assert_false(framed(V1, CL "5", CL "6"));
	assert_false(framed(V1, CL "6", CL "5"));
	assert_false(framed(V1, "X-Content-Length: 5", NULL));
}

/* Retry-After */

static int64_t date(const char *text)
{
	return (int64_t)curl->getdate(text, NULL);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *text;
		bool known;
		uint64_t seconds;
	} cases[] = {
		{"0", true, 0},
		{"120", true, 120},
		{"99999999999999999999999999", true, UINT32_MAX},
		{"Sun, 06 Nov 1994 08:49:37 GMT", true, 37},
		{"Sunday, 06-Nov-94 08:49:37 GMT", true, 37},
		{"Sun Nov  6 08:49:37 1994", true, 37},
		{"Sun, 06 Nov 1994 08:48:59 GMT", true, 0},
		{"", false, 0},
		{"-1", false, 0},
		{"1.5", false, 0},
		{"120 s", false, 0},
		{"soon", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t seconds = 0;
		/* 1994-11-06T08:49:00Z */
		bool known = flo__http_retry_after(cases[i].text, 784111740,
						   date, &seconds);

		if (known != cases[i].known)
			fail_msg("\"%s\"", cases[i].text);
		if (cases[i].seconds == UINT32_MAX)
			assert_true(seconds >= UINT32_MAX);
		else
			assert_int_equal(seconds, cases[i].seconds);
	}
}

/* URLs */

static void expect_url(const char *base, const char *text, const char *url)
{
	char *got = NULL;

	flo_error_clear(&err);
	if (flo__url_resolve(curl, base, text, &err, &got) != FLO_OK)
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(got, url);
	flo__free(got);
}

static void urls_are_resolved(void **state)
{
	(void)state;
	expect_url(NULL, "https://h/a?b=c#d", "https://h/a?b=c");
	expect_url("https://h/a/b?c=1", "/x", "https://h/x");
	expect_url("https://h/a/b?c=1", "x", "https://h/a/x");
	expect_url("https://h/a/b?c=1", "?c=2", "https://h/a/b?c=2");
	expect_url("https://h/a/b", "//g/x", "https://g/x");
	expect_url("https://h/a/b", "http://g:8/x", "http://g:8/x");
	expect_url("https://h/a/b/c", "../x", "https://h/a/x");
	expect_url("http://[::1]:80/a", "x", "http://[::1]:80/x");
}

static void refuse_url(const char *base, const char *text, const char *says)
{
	char *got = NULL;

	flo_error_clear(&err);
	if (flo__url_resolve(curl, base, text, &err, &got) == FLO_OK)
		fail_msg("%s gives %s", text, got);
	assert_null(got);
	if (strstr(err.text, says) == NULL)
		fail_msg("%s: %s", text, err.text);
}

static void urls_of_other_kinds_are_refused(void **state)
{
	(void)state;
	refuse_url(NULL, "ftp://h/a", "neither of http nor of https");
	refuse_url(NULL, "file:///etc/passwd", "neither of http nor of https");
	refuse_url("http://h/", "file:///etc/passwd", "neither of http");
	refuse_url("http://h/", "gopher://h/", "neither of http");
	refuse_url(NULL, "h/a", "cannot be read");
	refuse_url(NULL, "", "cannot be read");
	refuse_url(NULL, "http://", "");
	refuse_url(NULL, "http://h/a b", "cannot be read");
	refuse_url(NULL, "http://h/a\nb", "cannot be read");
	refuse_url(NULL, "http://h:99999/", "cannot be read");
}

static void urls_with_a_password_are_refused_without_showing_it(void **state)
{
	(void)state;
	refuse_url(NULL, "https://me:hunter2@h/", "has a user or a password");
	assert_null(strstr(err.text, "hunter2"));
	refuse_url(NULL, "https://me@h/", "has a user or a password");
	refuse_url("https://h/", "//me:hunter2@h/", "a user or a password");
}

static void long_urls_are_refused(void **state)
{
	static char text[FLO__URL_BYTES_MAX + 10] = "http://h/";

	(void)state;
	memset(text + 9, 'x', sizeof(text) - 10);
	refuse_url(NULL, text, "16384 are allowed");
}

static void expect_with(const char *url, const char *name, const char *value,
			const char *want)
{
	char *got = NULL;

	flo_error_clear(&err);
	if (flo__url_with(curl, url, name, value, &err, &got) != FLO_OK)
		fail_msg("%s: %s", url, err.text);
	assert_string_equal(got, want);
	flo__free(got);
}

static void parameters_are_encoded_and_replaced(void **state)
{
	(void)state;
	expect_with("https://h/a", "c", "1", "https://h/a?c=1");
	expect_with("https://h/a?b=2", "c", "a+b/=&#?\xc3\xa4 %",
		    "https://h/a?b=2&c=a%2Bb%2F%3D%26%23%3F%C3%A4%20%25");
	expect_with("https://h/a?c=1&b=2&c=3&cc=4&c", "c", "9",
		    "https://h/a?b=2&cc=4&c=9");
	expect_with("https://h/a?", "c", "", "https://h/a?c=");
	expect_with("https://h/a", "a b", "1", "https://h/a?a%20b=1");
}

static void origins_are_scheme_host_and_port(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool same;
	} cases[] = {
		{"https://h/a", "https://H:443/b?c", true},
		{"http://h/a", "http://h:80/", true},
		{"http://h/", "https://h/", false},
		{"https://h/", "https://h:8443/", false},
		{"https://h/", "https://h.evil/", false},
		{"https://h/", "https://g/", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(flo__url_same_origin(curl, cases[i].a,
						      cases[i].b),
				 cases[i].same);
}

static void queries_are_not_shown(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__url_show(&sb, "https://h/a?token=hunter2");
	assert_string_equal(sb.data, "https://h/a?...");
	flo__strbuf_fini(&sb);
}

/* The library */

static void a_missing_library_is_named_with_its_package(void **state)
{
	struct flo__curl other = {0};

	(void)state;
	flo_error_clear(&err);
	assert_int_equal(flo__curl_load("libcurl-of-nobody.so.4", "libz.so.1",
					&err, &other),
			 FLO_NOTFOUND);
	assert_non_null(strstr(err.text, "libcurl-of-nobody.so.4"));
	assert_non_null(strstr(err.text, "libcurl4"));
	flo_error_clear(&err);
	assert_int_equal(flo__curl_load("libcurl.so.4", "libz-of-nobody.so",
					&err, &other),
			 FLO_NOTFOUND);
	assert_non_null(strstr(err.text, "zlib1g"));
}

static void a_library_that_is_too_old_is_named(void **state)
{
	struct flo__curl other = {0};

	(void)state;
	flo_error_clear(&err);
	assert_int_equal(flo__curl_load("libz.so.1", "libz.so.1", &err, &other),
			 FLO_NOTFOUND);
	assert_non_null(strstr(err.text, "curl_global_init()"));
	assert_non_null(strstr(err.text, "too old"));
}

static int set_up(void **state)
{
	(void)state;
	return flo__curl_get(&err, &curl) == FLO_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_link_is_found),
		cmocka_unit_test(other_links_are_no_next),
		cmocka_unit_test(links_that_cannot_be_read_are_errors),
		cmocka_unit_test(
			what_is_shown_of_a_link_is_short_and_has_no_query),
		cmocka_unit_test(every_allocation_of_a_link_may_fail),
		cmocka_unit_test(fields_are_found_whatever_their_case),
		cmocka_unit_test(a_second_head_begins_anew),
		cmocka_unit_test(control_bytes_and_long_values_are_left_out),
		cmocka_unit_test(tabs_are_as_good_as_spaces),
		cmocka_unit_test(folded_lines_are_one_field),
		cmocka_unit_test(a_space_before_the_colon_hides_no_link),
		cmocka_unit_test(a_link_that_is_left_out_is_told),
		cmocka_unit_test(lengths_and_chunks_frame_a_body),
		cmocka_unit_test(nothing_else_frames_a_body),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(urls_are_resolved),
		cmocka_unit_test(urls_of_other_kinds_are_refused),
		cmocka_unit_test(
			urls_with_a_password_are_refused_without_showing_it),
		cmocka_unit_test(long_urls_are_refused),
		cmocka_unit_test(parameters_are_encoded_and_replaced),
		cmocka_unit_test(origins_are_scheme_host_and_port),
		cmocka_unit_test(queries_are_not_shown),
		cmocka_unit_test(a_missing_library_is_named_with_its_package),
		cmocka_unit_test(a_library_that_is_too_old_is_named),
	};

	return cmocka_run_group_tests_name("http_parse", tests, set_up, NULL);
}
