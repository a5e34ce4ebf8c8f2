/*
 * The files that `pipeline` names: read once each, looked at one at a time,
 * and pinned with the run.
 *
 * Note: units. A file that is included makes nodes anew each time, since their
 * parents and paths differ; each use is a unit. Document, report and params
 * are of a file, defaults of a unit; those of the unit that is looked at are in
 * the compiler itself, where all of dsl/ finds them, and flo__unit_enter()
 * moves them in and out. At the end the first unit is the one looked at, and
 * the params of each other file are in its record, where the plan's calls find
 * them.
 *
 * PINNED TEXT. A run keeps the text that it began with. Where files are
 * included, it is
 *
 *	TEXT  0x1e  {"KEY": {"file": NAME, "dir": DIR, "text": TEXT}, ...}
 *
 * 0x1e (RS, as in RFC 7464) cannot be in a JSON document, so a text without it
 * is a pipeline on its own, as all were once. KEY is what a `pipeline` means
 * where it stands: its own path if that is absolute, else the directory of its
 * file, a slash, and the path as it is written; nothing is resolved again, so
 * it does not matter what has become of links or files.
 */
#include "dsl/compile_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of a cycle that are shown. */
#define CYCLE_SHOWN_MAX 10

/* ---- paths ---- */

/* @sb's text as memory of the plan; NULL without memory. Frees @sb. */
static const char *keep(struct flo__compiler *c, struct flo__strbuf *sb)
{
	const char *copy = NULL;

	if (flo__strbuf_status(sb) == FLO_OK)
		copy = flo__arena_strndup(c->arena, sb->data, sb->len);
	c->nomem |= copy == NULL;
	flo__strbuf_fini(sb);
	return copy;
}

static const char *keep_text(struct flo__compiler *c, const char *text)
{
	const char *copy = flo__arena_strdup(c->arena, text);

	c->nomem |= copy == NULL;
	return copy;
}

/* The path of @name seen from @dir. */
static const char *join(struct flo__compiler *c, const char *dir,
			const char *name, size_t len)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	if (len == 0 || name[0] != '/') {
		flo__strbuf_adds(&sb, dir);
		if (sb.len == 0 || sb.data[sb.len - 1] != '/')
			flo__strbuf_addc(&sb, '/');
	}
	flo__strbuf_add(&sb, name, len);
	return keep(c, &sb);
}

/* The directory of the file @path, absolute. */
static const char *directory_of(struct flo__compiler *c, const char *path)
{
	char cwd[PATH_MAX];
	char real[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *copy;
	char *dir;

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		memcpy(cwd, "/", 2);
	dir = slash == NULL ? flo__strdup(".")
			    : flo__strndup(path, (size_t)(slash - path) + 1);
	if (dir == NULL) {
		c->nomem = true;
		return NULL;
	}
	copy = keep_text(c, realpath(dir, real) != NULL ? real : cwd);
	flo__free(dir);
	return copy;
}

/* @path with its links resolved, or as it is if it cannot be. */
static const char *identity(struct flo__compiler *c, const char *path)
{
	char real[PATH_MAX];

	return keep_text(c, realpath(path, real) != NULL ? real : path);
}

/* Take the last name off "a/b/": false if it is none that can be. */
static bool drop_last(struct flo__strbuf *sb)
{
	size_t at = sb->len;

	while (at > 1 && sb->data[at - 2] != '/')
		at--;
	at -= at > 0;
	if (sb->len - at < 2 || sb->data[at] == '.')
		return false;
	flo__strbuf_cut(sb, at);
	return true;
}

/* What a file is called in diagnostics: as a compiler says it of an include. */
static const char *display_name(struct flo__compiler *c, const char *outer,
				const char *path, size_t len)
{
	const char *slash = strrchr(outer, '/');
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	if (slash != NULL && path[0] != '/')
		flo__strbuf_add(&sb, outer, (size_t)(slash - outer) + 1);
	for (; len > 3 && memcmp(path, "../", 3) == 0 && drop_last(&sb);
	     len -= 3)
		path += 3;
	flo__strbuf_add(&sb, path, len);
	return keep(c, &sb);
}

/* ---- files ---- */

static struct flo__file *file_new(struct flo__compiler *c)
{
	struct flo__file **at = &c->out->files;
	struct flo__file *file = flo__compile_alloc(c, 1, sizeof(*file));

	if (file == NULL)
		return NULL;
	flo__doc_init(&file->doc, "", 0);
	flo__report_init(&file->report, &file->doc);
	while (*at != NULL)
		at = &(*at)->next;
	*at = file;
	return file;
}

void flo__files_trim(struct flo__dsl_plan *out)
{
	for (struct flo__file *f = out->files; f != NULL; f = f->next) {
		flo__report_fini(&f->report);
		flo__doc_fini(&f->doc);
	}
}

void flo__files_free(struct flo__dsl_plan *out)
{
	flo__files_trim(out);
	for (struct flo__file *f = out->files; f != NULL; f = f->next) {
		flo__params_release(&f->params);
		f->params.len = 0;
		flo__free(f->text);
		f->text = NULL;
	}
}

/* Why the regular file cannot be read, or NULL; then its text is @file's, or
 * there is no memory for it. */
static const char *read_text(int fd, size_t size, struct flo__file *file)
{
	size_t len = 0;
	ssize_t n = 1;

	file->text = flo__malloc(size + 1);
	if (file->text == NULL)
		return NULL;
	while (n != 0 && len < size) {
		n = read(fd, file->text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return strerror(errno);
		len += (size_t)n;
	}
	file->text[len] = '\0';
	file->len = len;
	return NULL;
}

/* Not to wait for a writer of a pipe that somebody named. */
static const char *read_file(const char *path, struct flo__file *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat info;
	const char *why = NULL;

	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &info) != 0)
		why = strerror(errno);
	else if (S_ISDIR(info.st_mode))
		why = "it is a directory";
	else if (!S_ISREG(info.st_mode))
		why = "it is no regular file";
	else if (info.st_size > FLO__DOC_LEN_MAX)
		why = "it is larger than 1 GiB";
	else
		why = read_text(fd, (size_t)info.st_size, file);
	close(fd);
	return why;
}

/* The text under @name in @map; NULL if there is none. */
static const char *text_of(const flo_value *map, const char *name, size_t *len)
{
	const flo_value *value = NULL;

	if (map != NULL && flo_value_typeof(map) == FLO_VALUE_MAP)
		value = flo_value_map_get(map, name);
	if (value == NULL || flo_value_typeof(value) != FLO_VALUE_STRING)
		return NULL;
	return flo_value_get_string(value, len);
}

/* What was pinned of the file instead of the file. */
static const char *take_pinned(struct flo__compiler *c, const char *key,
			       struct flo__file *file)
{
	const flo_value *entry = flo_value_map_get(c->pinned, key);
	size_t len;
	const char *name = text_of(entry, "file", &len);
	const char *dir = text_of(entry, "dir", &len);
	const char *text = text_of(entry, "text", &len);

	if (name == NULL || dir == NULL || text == NULL)
		return "it was not kept with the run";
	file->name = keep_text(c, name);
	file->dir = keep_text(c, dir);
	file->id = key;
	file->text = flo__malloc(len + 1);
	if (file->text == NULL) {
		c->nomem = true;
		return NULL;
	}
	memcpy(file->text, text, len);
	file->text[len] = '\0';
	file->len = len;
	return NULL;
}

/* ---- units ---- */

static struct flo__unit *current(struct flo__compiler *c)
{
	return &c->units[c->unit];
}

uint32_t flo__unit_add(struct flo__compiler *c, struct flo__file *file,
		       uint32_t node, uint32_t place)
{
	if (!flo__compile_grow(c, &c->units, c->units_len, &c->units_cap,
			       sizeof(*c->units)))
		return FLO__NODE_NONE;
	c->units[c->units_len] = (struct flo__unit){
		.file = file,
		.outer = c->unit,
		.node = node,
		.place = place,
		.env = FLO__DOC_NONE,
	};
	return c->units_len++;
}

/* What belongs to the file that was looked at goes back into its record. */
static void put_away(struct flo__compiler *c, struct flo__file *file)
{
	file->doc = c->doc;
	file->report = c->report;
	file->params = c->out->params;
}

static void take_out(struct flo__compiler *c, struct flo__file *file)
{
	c->doc = file->doc;
	c->report = file->report;
	c->report.doc = &c->doc;
	c->out->params = file->params;
	flo__doc_init(&file->doc, "", 0);
	flo__report_init(&file->report, &file->doc);
	file->params = (struct flo__params){.list = NULL};
}

void flo__unit_enter(struct flo__compiler *c, uint32_t unit)
{
	struct flo__unit *old = current(c);
	struct flo__unit *new = &c->units[unit];

	if (old == new)
		return;
	old->env = c->env;
	old->default_timeout = c->default_timeout;
	old->default_retry = c->default_retry;
	if (old->file != new->file) {
		put_away(c, old->file);
		take_out(c, new->file);
		c->cursor = (struct flo__doc_cursor){.line = 0};
	}
	c->env = new->env;
	flo__map_fini(&c->env_names);
	c->default_timeout = new->default_timeout;
	c->default_retry = new->default_retry;
	c->unit = unit;
}

void flo__unit_enter_of(struct flo__compiler *c, uint32_t node)
{
	flo__unit_enter(c, c->unit_of[node]);
}

/* ---- the first file ---- */

/* What is behind the separator. */
static void read_pins(struct flo__compiler *c, const char *text, size_t len)
{
	flo_status st;

	if (len == 0)
		c->pinned = flo_value_map(0);
	else if ((st = flo_value_from_json(text, len, 0, NULL, &c->pinned)) !=
			 FLO_OK &&
		 st != FLO_NOMEM)
		c->pinned = flo_value_map(0); /* nothing was kept, then */
	if (c->pinned != NULL && flo_value_typeof(c->pinned) != FLO_VALUE_MAP) {
		flo_value_unref(c->pinned);
		c->pinned = flo_value_map(0);
	}
	c->nomem |= c->pinned == NULL;
}

bool flo__include_first(struct flo__compiler *c, const char *text, size_t len)
{
	const struct flo__dsl_options *options = c->options;
	struct flo__file *file = file_new(c);
	const char *slash = strrchr(options->file, '/');
	const char *base = slash != NULL ? slash + 1 : options->file;
	const char *end =
		options->pinned ? memchr(text, FLO__PIN_SEPARATOR, len) : NULL;
	size_t own = end != NULL ? (size_t)(end - text) : len;

	flo__doc_init(&c->doc, text, own);
	if (file == NULL)
		return false;
	if (options->pinned)
		read_pins(c, text + own + (end != NULL),
			  len - own - (end != NULL));
	file->name = options->file;
	file->dir = options->dir != NULL ? keep_text(c, options->dir)
					 : directory_of(c, options->file);
	if (file->dir != NULL)
		file->key = join(c, file->dir, base, strlen(base));
	if (file->key != NULL)
		file->id = options->pinned ? file->key : identity(c, file->key);
	return !c->nomem &&
	       flo__unit_add(c, file, 0, FLO__DOC_NONE) != FLO__NODE_NONE;
}

/* ---- the others ---- */

/* Report that @id is one of the files around, if it is. */
static bool is_cycle(struct flo__compiler *c, const char *id, uint32_t at)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	uint32_t units[FLO__PLAN_DEPTH_MAX + 1];
	uint32_t n = 0;
	uint32_t u = c->unit;

	for (; n <= FLO__PLAN_DEPTH_MAX; u = c->units[u].outer) {
		units[n++] = u;
		if (u == 0 || strcmp(c->units[u].file->id, id) == 0)
			break;
	}
	if (strcmp(c->units[u].file->id, id) != 0)
		return false;
	for (uint32_t i = n; i > 0; i--) {
		if (n - i < CYCLE_SHOWN_MAX)
			flo__strbuf_addf(&sb, "%s -> ",
					 c->units[units[i - 1]].file->name);
	}
	if (n > CYCLE_SHOWN_MAX)
		flo__strbuf_addf(&sb, "... (%u files) -> ", n);
	flo__strbuf_adds(&sb, c->units[u].file->name);
	c->nomem |= sb.failed;
	flo__compile_error(c, CYCLE, at, NULL,
			   "pipelines include each other in a cycle: %s",
			   sb.data);
	flo__strbuf_fini(&sb);
	return true;
}

static struct flo__file *find_file(struct flo__compiler *c, const char *key)
{
	struct flo__file *file = c->out->files;

	while (file != NULL && strcmp(file->key, key) != 0)
		file = file->next;
	return file;
}

static struct flo__file *load(struct flo__compiler *c, const char *key,
			      const char *path, size_t len, uint32_t at)
{
	const struct flo__file *outer = current(c)->file;
	const char *why;
	char hint[240];
	struct flo__file made = {.key = key};
	struct flo__file *file;

	why = c->pinned != NULL ? take_pinned(c, key, &made)
				: read_file(key, &made);
	if (why != NULL) {
		flo__free(made.text);
		snprintf(hint, sizeof(hint),
			 "the path starts from the directory of %.160s",
			 outer->name);
		flo__compile_error(c, UNREADABLE, at,
				   path[0] != '/' && c->pinned == NULL ? hint
								       : NULL,
				   "cannot read %.*s: %s",
				   (int)(len < 200 ? len : 200), path, why);
		return NULL;
	}
	c->nomem |= made.text == NULL;
	if (c->pinned == NULL) {
		made.name = display_name(c, outer->name, path, len);
		made.dir = directory_of(c, key);
		made.id = identity(c, key);
	}
	file = c->nomem ? NULL : file_new(c);
	if (file == NULL) {
		flo__free(made.text);
		return NULL;
	}
	file->key = key;
	file->name = made.name;
	file->dir = made.dir;
	file->id = made.id;
	file->text = made.text;
	file->len = made.len;
	flo__doc_init(&file->doc, file->text, file->len);
	return file;
}

struct flo__file *flo__include(struct flo__compiler *c, uint32_t at)
{
	struct flo__file *file;
	const char *path;
	const char *key;
	size_t len;

	if (flo__compile_plain(c, at, "`pipeline`") == NULL)
		return NULL;
	path = flo__doc_string(&c->doc, at, &len);
	if (len == 0 || len >= PATH_MAX || memchr(path, '\0', len) != NULL) {
		flo__compile_error(c, BAD_VALUE, at, NULL,
				   "`pipeline` is the path of a file");
		return NULL;
	}
	key = join(c, current(c)->file->dir, path, len);
	if (key == NULL)
		return NULL;
	file = find_file(c, key);
	if (file == NULL)
		file = load(c, key, path, len, at);
	if (file == NULL || is_cycle(c, file->id, at))
		return NULL;
	return file;
}

void flo__include_blame(struct flo__compiler *c)
{
	/* Who is included comes after who includes it. */
	for (uint32_t i = c->units_len; i > 1; i--) {
		const struct flo__unit *unit = &c->units[i - 1];
		struct flo__report *report = &unit->file->report;
		size_t errors;

		flo__unit_enter(c, unit->outer);
		if (report->len != unit->file->settled)
			flo__report_settle(report);
		unit->file->settled = report->len;
		errors = report->errors;
		if (errors == 0)
			continue;
		flo__compile_error(c, INCLUDED, unit->place, NULL,
				   "step \"%s\" includes %s, which has %zu "
				   "error%s",
				   c->nodes[unit->node].name, unit->file->name,
				   errors, errors == 1 ? "" : "s");
	}
}

/* ---- pinning ---- */

static flo_status put_text(flo_value *map, const char *name, const char *text,
			   size_t len)
{
	return flo_value_map_set(map, name, flo_value_stringn(text, len));
}

static flo_status put_file(flo_value *pins, const struct flo__file *file)
{
	flo_value *entry = flo_value_map(3);

	if (entry == NULL)
		return FLO_NOMEM;
	if (put_text(entry, "file", file->name, strlen(file->name)) != FLO_OK ||
	    put_text(entry, "dir", file->dir, strlen(file->dir)) != FLO_OK ||
	    put_text(entry, "text", file->text, file->len) != FLO_OK) {
		flo_value_unref(entry);
		return FLO_NOMEM;
	}
	return flo_value_map_set(pins, file->key, entry);
}

void flo__dsl_pin(const struct flo__plan *plan, const char *text, size_t len,
		  struct flo__strbuf *sb)
{
	const struct flo__dsl_plan *own = (const struct flo__dsl_plan *)plan;
	flo_value *pins;
	flo_status st = FLO_OK;
	char *json = NULL;

	flo__strbuf_add(sb, text, len);
	if (own->files->next == NULL)
		return;
	pins = flo_value_map(4);
	if (pins == NULL)
		st = FLO_NOMEM;
	for (const struct flo__file *file = own->files->next;
	     file != NULL && st == FLO_OK; file = file->next)
		st = put_file(pins, file);
	if (st == FLO_OK)
		json = flo_value_to_json(pins);
	flo__strbuf_addc(sb, FLO__PIN_SEPARATOR);
	if (json != NULL)
		flo__strbuf_adds(sb, json);
	else
		sb->failed = true;
	flo_free(json);
	flo_value_unref(pins);
}
