#include "cli/log.h"

#include "cli/cli.h"
#include "cli/event.h"
#include "cli/print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One of the two streams of a log on its way out. */
struct stream {
	FILE *file;
	const char *name;
	bool is_open; /* its last line has no newline yet */
	bool is_terminal;
};

struct printer {
	const struct cli_log *log;
	struct stream out, err;
};

static void put_text(struct stream *s, const char *text, size_t len)
{
	if (s->is_terminal)
		cli_put_escaped(s->file, text, len, 0);
	else
		fwrite(text, 1, len, s->file);
}

static void end_line(struct stream *s)
{
	if (s->is_open)
		putc('\n', s->file);
	s->is_open = false;
}

/* Lines of both streams in their order, where both are a terminal. */
static void put_plain(struct printer *p, struct stream *s, bool goes_on,
		      const char *text, size_t len)
{
	struct stream *other = s == &p->out ? &p->err : &p->out;

	if (!goes_on)
		end_line(s);
	if (other->is_open && other->is_terminal)
		end_line(other);
	if (s == &p->err)
		fflush(stdout);
	put_text(s, text, len);
	s->is_open = true;
}

static bool set(flo_value *map, const char *key, flo_value *value)
{
	return flo_value_map_set(map, key, value) == FLO_OK;
}

static int put_json(const struct cli_log *log, const struct stream *s,
		    bool goes_on, const char *text)
{
	flo_value *map = flo_value_map(5);
	char *clean = cli_utf8(text);
	bool good = map && clean &&
		    set(map, "path", flo_value_string(log->path)) &&
		    set(map, "attempt", flo_value_int((int64_t)log->attempt)) &&
		    set(map, "stream", flo_value_string(s->name)) &&
		    set(map, "text", flo_value_string(clean)) &&
		    (!goes_on || set(map, "continued", flo_value_bool(true)));

	if (good)
		cli_print_json(map, false);
	else
		cli_error("out of memory");
	flo_value_unref(map);
	free(clean);
	return good ? CLI_OK : CLI_STORE;
}

static int put_line(struct printer *p, const char *line, size_t len)
{
	struct stream *s = line[0] == 'O' ? &p->out : &p->err;
	bool goes_on = len > 1 && line[1] == '+';
	size_t skip = len < 2 ? len : 2;

	if (line[0] == '-')
		skip = 0;
	if (p->log->json)
		return put_json(p->log, s, goes_on, line + skip);
	put_plain(p, s, goes_on, line + skip, len - skip);
	cli_check_stdout();
	return CLI_OK;
}

static int print_file(const struct cli_log *log, FILE *file)
{
	struct printer p = {
		log,
		{stdout, "stdout", false, isatty(STDOUT_FILENO)},
		{stderr, "stderr", false, isatty(STDERR_FILENO)},
	};
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int code = CLI_OK;

	while (code == CLI_OK && (len = getline(&line, &room, file)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		code = put_line(&p, line, (size_t)len);
	}
	free(line);
	end_line(&p.out);
	end_line(&p.err);
	return code;
}

static void put_header(const struct cli_log *log, bool first)
{
	printf("%s==> %s", first ? "" : "\n", log->path);
	if (log->attempt > 1)
		printf(" (attempt %lu)", log->attempt);
	fputs(" <==\n", stdout);
}

static int print_named(const struct cli_log *log, const char *name,
		       unsigned long *count)
{
	FILE *file = fopen(name, "re");
	int code;

	if (!file && errno == ENOENT)
		return CLI_OK;
	if (!file) {
		cli_error("cannot open the log %s: %s", name, strerror(errno));
		return CLI_STORE;
	}
	if (log->has_header && !log->json)
		put_header(log, *count == 0);
	++*count;
	code = print_file(log, file);
	fclose(file);
	return code;
}

/* A log is named by the sequence number of its attempt's step.started. */
struct search {
	const struct cli_log *log;

	char text[24];
};

static void find_start(const char *json, size_t len, void *arg)
{
	struct search *search = arg;
	struct cli_event event;

	if (!cli_event_scan(json, len, &event) ||
	    !cli_slice_is(event.kind, "step.started") ||
	    !cli_slice_is(event.path, search->log->path) ||
	    (unsigned long)cli_slice_number(event.attempt) !=
		    search->log->attempt)
		return;
	snprintf(search->text, sizeof(search->text), "%.*s", (int)event.seq.len,
		 event.seq.at);
}

static int print_earlier(const struct cli_log *log, flo_store *store,
			 const char *run_id, unsigned long *count)
{
	struct search search = {.log = log};
	flo_error err = FLO_ERROR_INIT;
	char *name = NULL;
	int code = CLI_OK;

	if (flo_store_events(store, run_id, find_start, &search, &err)) {
		cli_error("%s", err.text);
		return CLI_STORE;
	}
	if (!*search.text)
		return CLI_OK;
	if (asprintf(&name, "%s/%s.log", log->directory, search.text) < 0)
		return CLI_STORE;
	code = print_named(log, name, count);
	free(name);
	return code;
}

int cli_log_print(const struct cli_log *log, flo_store *store,
		  const char *run_id, unsigned long *count)
{
	if (!log->is_last)
		return print_earlier(log, store, run_id, count);
	if (!*log->last_file)
		return CLI_OK;
	return print_named(log, log->last_file, count);
}
