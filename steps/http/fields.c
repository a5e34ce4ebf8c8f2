#include "steps/http/fields.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A longer value is left out, but for Link's, which may be many. */
#define VALUE_BYTES_MAX 1024
#define LINK_BYTES_MAX	65536

void flo__http_fields_fini(struct flo__http_fields *fields)
{
	flo__free(fields->etag);
	flo__free(fields->modified);
	flo__free(fields->date);
	flo__free(fields->retry_after);
	flo__free(fields->link);
	flo__free(fields->type);
	flo__free(fields->encoding);
	if (fields->line.data != NULL)
		flo__strbuf_fini(&fields->line);
	*fields = (struct flo__http_fields){0};
}

static void set(struct flo__http_fields *fields, char **field,
		const char *value, size_t len)
{
	if (len > VALUE_BYTES_MAX)
		return;
	flo__free(*field);
	*field = flo__strndup(value, len);
	fields->failed |= *field == NULL;
}

static void add_link(struct flo__http_fields *fields, const char *value,
		     size_t len)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	if (fields->link != NULL) {
		flo__strbuf_adds(&sb, fields->link);
		flo__strbuf_adds(&sb, ", ");
	}
	flo__strbuf_add(&sb, value, len);
	if (sb.len > LINK_BYTES_MAX) {
		fields->link_lost = "it has more than 65536 bytes";
		flo__strbuf_fini(&sb);
		return;
	}
	flo__free(fields->link);
	fields->link = flo__strbuf_take(&sb);
	fields->failed |= fields->link == NULL;
}

static bool is_named(const char *name, size_t len, const char *want)
{
	return strlen(want) == len && strncasecmp(name, want, len) == 0;
}

/* A length that libcurl can count with: it takes a larger one for none. */
static bool read_length(const char *value, size_t len, uint64_t *ret)
{
	uint64_t length = 0;

	if (len < 1 || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)value[i]))
			return false;
		length = length * 10 + (uint64_t)(value[i] - '0');
	}
	*ret = length;
	return true;
}

/* Two that differ are an answer of which nobody knows where it ends. */
static void take_length(struct flo__http_fields *fields, const char *value,
			size_t len)
{
	uint64_t length = 0;

	fields->odd |= !read_length(value, len, &length);
	fields->unequal |= fields->length && length != fields->length_is;
	fields->length = true;
	fields->length_is = length;
}

/* Whether the last coding of a list is "chunked". */
static bool ends_chunked(const char *value, size_t len)
{
	size_t from = len;

	while (from != 0 && value[from - 1] != ',' && value[from - 1] != ' ' &&
	       value[from - 1] != '\t')
		from--;
	return is_named(value + from, len - from, "chunked");
}

/* What says where the body ends. */
static void take_framing(struct flo__http_fields *fields, const char *name,
			 size_t name_len, const char *value, size_t len)
{
	if (is_named(name, name_len, "content-length")) {
		take_length(fields, value, len);
	} else if (is_named(name, name_len, "transfer-encoding")) {
		fields->coded = true;
		fields->chunked = ends_chunked(value, len);
	}
}

/* Any coding takes the place of a length, so that another one frames nothing. */
bool flo__http_fields_framed(const struct flo__http_fields *fields)
{
	if (fields->frames)
		return true;
	if (fields->coded)
		return fields->chunked;
	return fields->length && !fields->odd && !fields->unequal;
}

static void take(struct flo__http_fields *fields, const char *name,
		 size_t name_len, const char *value, size_t len)
{
	const struct {
		const char *name;
		char **field;
	} known[] = {
		{"etag", &fields->etag},
		{"last-modified", &fields->modified},
		{"date", &fields->date},
		{"retry-after", &fields->retry_after},
		{"content-type", &fields->type},
		{"content-encoding", &fields->encoding},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is_named(name, name_len, known[i].name))
			set(fields, known[i].field, value, len);
}

/* Control bytes never come into what is kept, which is sent back or shown. */
static bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

/* Whoever goes from page to page by Link has to know of each that was there. */
static void take_link(struct flo__http_fields *fields, const char *value,
		      size_t len)
{
	if (is_clean(value, len))
		add_link(fields, value, len);
	else
		fields->link_lost = "it has a control character in it";
}

/* White space that must not be there (RFC 9112, 5.1) hides no Link. */
static bool is_link(const char *name, size_t len)
{
	while (len != 0 && name[len - 1] == ' ')
		len--;
	return is_named(name, len, "link");
}

static void end_field(struct flo__http_fields *fields)
{
	const char *line = fields->line.data;
	size_t len = fields->line.len;
	const char *colon = memchr(line, ':', len);
	size_t name_len;
	size_t at;

	if (colon == NULL)
		return;
	while (line[len - 1] == ' ')
		len--;
	name_len = (size_t)(colon - line);
	at = name_len + 1;
	while (at < len && line[at] == ' ')
		at++;
	if (is_link(line, name_len))
		take_link(fields, line + at, len - at);
	else if (is_clean(line + at, len - at))
		take(fields, line, name_len, line + at, len - at);
	take_framing(fields, line, name_len, line + at, len - at);
}

/* Append to the field that is read. A tab is as good as a space in all of it. */
static void add_to_field(struct flo__http_fields *fields, const char *text,
			 size_t len)
{
	struct flo__strbuf *line = &fields->line;
	size_t from = line->len;

	flo__strbuf_add(line, text, len);
	fields->failed |= line->failed;
	for (size_t i = from; i < line->len; i++)
		if (line->data[i] == '\t')
			line->data[i] = ' ';
}

/* A line that goes on with the field before it (RFC 9112, 5.2). */
static void go_on(struct flo__http_fields *fields, const char *line, size_t len)
{
	if (fields->line.len == 0)
		return;
	while (len != 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	add_to_field(fields, " ", 1);
	add_to_field(fields, line, len);
}

void flo__http_fields_line(struct flo__http_fields *fields, const char *line,
			   size_t len)
{
	bool failed = fields->failed;
	bool goes_on = len != 0 && (*line == ' ' || *line == '\t');

	if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
		flo__http_fields_fini(fields);
		fields->failed = failed;
		fields->frames = line[5] != '1';
		return;
	}
	if (fields->line.data == NULL)
		flo__strbuf_init(&fields->line);
	while (len != 0 && isspace((unsigned char)line[len - 1]))
		len--;
	if (goes_on) {
		go_on(fields, line, len);
		return;
	}
	end_field(fields);
	flo__strbuf_reset(&fields->line);
	add_to_field(fields, line, len);
}

/* Retry-After */

bool flo__http_retry_after(const char *text, int64_t now_s,
			   int64_t (*date)(const char *text),
			   uint64_t *ret_seconds)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t seconds = 0;
	int64_t at;

	if (digits != 0 && text[digits] == '\0') {
		for (size_t i = 0; i < digits; i++)
			seconds = seconds > UINT32_MAX
					  ? seconds
					  : seconds * 10 +
						    (uint64_t)(text[i] - '0');
		*ret_seconds = seconds;
		return true;
	}
	/* A date has a weekday first: what else begins with a digit is none. */
	if (!isalpha((unsigned char)text[0]))
		return false;
	at = date(text);
	if (at < 0)
		return false;
	*ret_seconds = at > now_s ? (uint64_t)(at - now_s) : 0;
	return true;
}
