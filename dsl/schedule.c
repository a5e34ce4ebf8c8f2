/*
 * `schedule`: when a pipeline is run. It is checked here; whoever runs pipelines
 * by the clock acts on it, `flowctl run` does not.
 */
#include "dsl/compile_p.h"

#include "base/cron.h"
#include "base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONEINFO      "/usr/share/zoneinfo"
#define ZONE_LEN_MAX  64
#define ZONE_PATH_MAX 512

static void check_cron(struct flo__compiler *c, uint32_t node)
{
	struct flo__cron_problem problem;
	struct flo__cron cron;
	struct flo__span span;
	const char *text;
	size_t len;

	if (flo__compile_plain(c, node, "`cron`") == NULL)
		return;
	text = flo__doc_string(&c->doc, node, &len);
	if (flo__cron_parse(text, len, &cron, &problem))
		return;
	span = len == 0 ? flo__doc_span(&c->doc, node)
			: flo__doc_inside(&c->doc, node, problem.at,
					  problem.len != 0 ? problem.len : 1);
	flo__report_error(&c->report, FLO__CODE_CRON, span, node,
			  problem.hint[0] != '\0' ? problem.hint : NULL, "%s",
			  problem.message);
}

/* ---- time zones ---- */

/* Where the C library looks for them (tzset(3)). */
static const char *zoneinfo(void)
{
	const char *dir = getenv("TZDIR");

	return dir != NULL && dir[0] == '/' ? dir : ZONEINFO;
}

/* A name that is no way out of the directory: parts of letters, digits, + - _.
 */
static bool is_zone_name(const char *text, size_t len)
{
	if (len == 0 || len > ZONE_LEN_MAX || text[0] == '/' ||
	    text[len - 1] == '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '+' || c == '-' ||
		      c == '_' || (c == '/' && text[i - 1] != '/')))
			return false;
	}
	return true;
}

/* Whether the file is one of time zones: tzfile(5). */
static bool is_zone_file(const char *path)
{
	char magic[4] = "";
	FILE *file = fopen(path, "rbe");
	bool ok;

	if (file == NULL)
		return false;
	ok = fread(magic, 1, sizeof(magic), file) == sizeof(magic) &&
	     memcmp(magic, "TZif", sizeof(magic)) == 0;
	fclose(file);
	return ok;
}

/* Offer the names in @dir, of the database, with @prefix before them. */
static void offer_names(struct flo__nearest *near, const char *dir,
			const char *prefix)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	char name[ZONE_LEN_MAX + 256];

	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		int len = snprintf(name, sizeof(name), "%s%s", prefix,
				   entry->d_name);

		if (entry->d_name[0] >= 'A' && entry->d_name[0] <= 'Z')
			flo__nearest_offer(near, name, (size_t)len);
	}
	if (stream != NULL)
		closedir(stream);
}

/* Names like @name: among its neighbours, or where it may have been meant. */
static void look_around(struct flo__nearest *near, const char *name)
{
	const char *slash = strrchr(name, '/');
	char dir[ZONE_PATH_MAX];
	char prefix[ZONE_LEN_MAX + 8];
	struct flo__nearest region;
	struct stat st;
	int len = slash != NULL ? (int)(slash - name) : 0;

	snprintf(dir, sizeof(dir), "%s/%s", zoneinfo(), name);
	if (stat(dir, &st) == 0)
		return; /* "Asia": a region, and no zone */
	snprintf(prefix, sizeof(prefix), "%.*s", len, name);
	snprintf(dir, sizeof(dir), "%s/%s", zoneinfo(), prefix);
	if (len > 0 && stat(dir, &st) != 0) {
		flo__nearest_init(&region, name, (size_t)len);
		offer_names(&region, zoneinfo(), "");
		if (region.name[0] == '\0')
			return;
		snprintf(prefix, sizeof(prefix), "%s", region.name);
		snprintf(dir, sizeof(dir), "%s/%s", zoneinfo(), prefix);
	}
	if (prefix[0] != '\0')
		strcat(prefix, "/");
	offer_names(near, dir, prefix);
}

static void unknown_zone(struct flo__compiler *c, uint32_t node,
			 const char *name)
{
	struct flo__nearest near;
	char hint[96];

	flo__nearest_init(&near, name, strlen(name));
	if (is_zone_name(name, strlen(name)))
		look_around(&near, name);
	flo__compile_error(c, TIMEZONE, node,
			   flo__nearest_hint(&near, hint, sizeof(hint)) != NULL
				   ? hint
				   : "as in \"UTC\" or \"Europe/Berlin\"",
			   "there is no time zone \"%.64s\"", name);
}

static void check_timezone(struct flo__compiler *c, uint32_t node)
{
	char path[ZONE_PATH_MAX];
	const char *name;
	int len;

	if (node == FLO__DOC_NONE)
		return;
	name = flo__compile_plain(c, node, "`timezone`");
	if (name == NULL || strcmp(name, "UTC") == 0)
		return;
	if (!is_zone_name(name, strlen(name))) {
		unknown_zone(c, node, name);
		return;
	}
	if (access(zoneinfo(), F_OK) != 0) {
		flo__report_warning(
			&c->report, FLO__CODE_NO_ZONEINFO,
			flo__doc_span(&c->doc, node), node,
			"install tzdata, or set TZDIR",
			"whether there is a time zone \"%s\" is not "
			"known: %s is not there",
			name, zoneinfo());
		return;
	}
	len = snprintf(path, sizeof(path), "%s/%s", zoneinfo(), name);
	if (len < 0 || (size_t)len >= sizeof(path) || !is_zone_file(path))
		unknown_zone(c, node, name);
}

/* ---- params ---- */

static void check_given(struct flo__compiler *c, uint32_t key)
{
	const struct flo__params *params = &c->out->params;
	struct flo__strbuf why = FLO__STRBUF_INIT;
	const struct flo__expr *value;
	const struct flo__param *param;
	struct flo__nearest near;
	char hint[96];
	size_t len;
	const char *name = flo__doc_string(&c->doc, key, &len);

	value = flo__compile_literal(c, flo__doc_value(key));
	param = flo__params_find(params, name, len);
	if (param == NULL) {
		flo__nearest_init(&near, name, len);
		for (uint32_t i = 0; i < params->len; i++)
			flo__nearest_offer(&near, params->list[i].name,
					   strlen(params->list[i].name));
		flo__compile_error(c, UNKNOWN_PARAM, key,
				   flo__nearest_hint(&near, hint, sizeof(hint)),
				   "there is no param \"%.*s\"",
				   (int)(len < 64 ? len : 64), name);
	} else if (value != NULL &&
		   !flo__param_fits(param, value->constant, &why)) {
		flo__compile_error(c, BAD_PARAM, flo__doc_value(key), NULL,
				   "param \"%s\" %s", param->name, why.data);
	}
	c->nomem |= why.failed;
	flo__strbuf_fini(&why);
}

/* The params that a run is given, against their declarations. */
static void check_params(struct flo__compiler *c, uint32_t schedule,
			 uint32_t node)
{
	const struct flo__params *params = &c->out->params;

	if (node != FLO__DOC_NONE &&
	    !flo__compile_is(c, node, FLO__DOC_OBJECT, "`params`"))
		return;
	for (uint32_t key = node != FLO__DOC_NONE
				    ? flo__doc_first(&c->doc, node)
				    : FLO__DOC_NONE;
	     key != FLO__DOC_NONE && !c->nomem; key = c->doc.nodes[key].next)
		check_given(c, key);
	for (uint32_t i = 0; i < params->len; i++) {
		const struct flo__param *param = &params->list[i];
		struct flo__span span = flo__doc_span(&c->doc, schedule);

		if (!param->required || param->default_ != NULL ||
		    (node != FLO__DOC_NONE &&
		     flo__doc_get(&c->doc, node, param->name) != FLO__DOC_NONE))
			continue;
		if (node == FLO__DOC_NONE)
			span.end = span.begin + 1;
		else
			span = flo__doc_span(&c->doc, node - 1);
		flo__report_error(
			&c->report, FLO__CODE_MISSING_PARAM, span,
			node != FLO__DOC_NONE ? node : schedule,
			"give it a value in `params` of the schedule, "
			"or a `default`",
			"nobody gives param \"%s\" a value, and it "
			"is required",
			param->name);
	}
}

static void check_schedule(struct flo__compiler *c, uint32_t node)
{
	uint32_t cron;
	uint64_t jitter;
	unsigned word;

	if (!flo__compile_is(c, node, FLO__DOC_OBJECT, "a schedule"))
		return;
	flo__keys_only(c, node, &flo__grammar_schedule);
	cron = flo__doc_get(&c->doc, node, "cron");
	if (cron == FLO__DOC_NONE)
		flo__compile_error(c, MISSING_KEY, node, NULL,
				   "a schedule needs `cron`");
	else
		check_cron(c, cron);
	check_timezone(c, flo__doc_get(&c->doc, node, "timezone"));
	flo__compile_word(c, flo__doc_get(&c->doc, node, "overlap"),
			  "`overlap`", &flo__shape_overlap, &word);
	flo__compile_word(c, flo__doc_get(&c->doc, node, "catch_up"),
			  "`catch_up`", &flo__shape_catch_up, &word);
	flo__compile_ns(c, flo__doc_get(&c->doc, node, "jitter"), "`jitter`",
			&jitter);
	check_params(c, node, flo__doc_get(&c->doc, node, "params"));
}

void flo__schedules_check(struct flo__compiler *c, uint32_t node)
{
	if (node == FLO__DOC_NONE)
		return;
	if (c->doc.nodes[node].type != FLO__DOC_ARRAY) {
		check_schedule(c, node);
		return;
	}
	for (uint32_t item = flo__doc_first(&c->doc, node);
	     item != FLO__DOC_NONE; item = c->doc.nodes[item].next)
		check_schedule(c, item);
}
