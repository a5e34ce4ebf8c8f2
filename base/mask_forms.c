/*
 * What a secret looks like where programs print it.
 *
 * The forms are those that GitHub's runner hides, and a few more: JSON as the
 * usual libraries write it, URLs, XML, what a shell with -x prints, base64 with
 * both alphabets and at each of the three places where the value can begin in
 * what is encoded (of those only the characters that depend on the value
 * alone; "user:" + token of an Authorization header is found so). Base64 is
 * hidden in lines of 76 characters, too, as the program of that name and mail
 * write it. Of a value of several lines each line is hidden by itself.
 *
 * What is not found: a part of a value, or one that is reversed, encrypted,
 * compressed, hashed, or printed a character at a time.
 */
#include "base/mask.h"

#include "base/utf8.h"

#include <string.h>

#define TRY_FORM(expr)                                                         \
	do {                                                                   \
		flo_status st_ = (expr);                                       \
		if (st_ != FLO_OK)                                             \
			return st_;                                            \
	} while (0)

/* A form in the making, which is overwritten in the end. */
static flo_status add_form(struct flo__mask *mask, struct flo__strbuf *form,
			   size_t begin, size_t end)
{
	flo_status st = flo__strbuf_status(form);

	if (st == FLO_OK && end >= begin + FLO__MASK_PART_MIN)
		st = flo__mask_add(mask, form->data + begin, end - begin);
	if (form->cap != 0)
		explicit_bzero(form->data, form->cap);
	flo__strbuf_fini(form);
	return st;
}

/* Room for the longest form at once, so that no copy is left behind. */
static void form_init(struct flo__strbuf *form, size_t len)
{
	flo__strbuf_init(form);
	if (!flo__strbuf_reserve(form, len * 6 + 8))
		form->failed = true;
}

/* ---- JSON ---- */

enum json_style {
	JSON_ASCII = 1, /* other characters as \uXXXX: Python */
	JSON_SLASH = 2, /* "/" as "\/": PHP, with JSON_ASCII */
	JSON_HTML = 4,	/* < > & as \u003c ...: Go */
};

static void add_u(struct flo__strbuf *form, unsigned unit)
{
	static const char hex[] = "0123456789abcdef";

	flo__strbuf_adds(form, "\\u");
	for (int shift = 12; shift >= 0; shift -= 4)
		flo__strbuf_addc(form, hex[unit >> shift & 15]);
}

static void add_json_char(struct flo__strbuf *form, char c, unsigned style)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char letter[] = "\"\\bfnrt";
	const char *at = c != '\0' ? strchr(plain, c) : NULL;

	if (at != NULL) {
		flo__strbuf_addc(form, '\\');
		flo__strbuf_addc(form, letter[at - plain]);
	} else if ((unsigned char)c < 0x20 ||
		   ((style & JSON_HTML) != 0 && strchr("<>&", c) != NULL)) {
		add_u(form, (unsigned char)c);
	} else {
		if ((style & JSON_SLASH) != 0 && c == '/')
			flo__strbuf_addc(form, '\\');
		flo__strbuf_addc(form, c);
	}
}

static void add_wide(struct flo__strbuf *form, uint32_t code)
{
	if (code >= 0x10000) {
		add_u(form, 0xd800 + ((code - 0x10000) >> 10));
		add_u(form, 0xdc00 + ((code - 0x10000) & 0x3ff));
	} else {
		add_u(form, code);
	}
}

static flo_status add_json(struct flo__mask *mask, const char *value,
			   size_t len, unsigned style)
{
	struct flo__strbuf form;

	form_init(&form, len);
	for (size_t i = 0; i < len;) {
		uint32_t code;
		size_t n = flo__utf8_next(value + i, len - i, &code);

		if (n > 1 && (style & JSON_ASCII) != 0)
			add_wide(&form, code);
		else if (n > 1)
			flo__strbuf_add(&form, value + i, n);
		else
			add_json_char(&form, value[i], style);
		i += n > 0 ? n : 1;
	}
	return add_form(mask, &form, 0, form.len);
}

/* ---- URLs, XML, shells ---- */

/* What is left as it is beside letters, digits and "-_." */
struct url_style {
	const char *safe;
	const char *hex;
	bool plus; /* a space is "+" */
};

static flo_status add_url(struct flo__mask *mask, const char *value, size_t len,
			  const struct url_style *style)
{
	struct flo__strbuf form;

	form_init(&form, len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '_' ||
		    c == '.' || (c != '\0' && strchr(style->safe, c) != NULL)) {
			flo__strbuf_addc(&form, (char)c);
		} else if (c == ' ' && style->plus) {
			flo__strbuf_addc(&form, '+');
		} else {
			flo__strbuf_addc(&form, '%');
			flo__strbuf_addc(&form, style->hex[c >> 4]);
			flo__strbuf_addc(&form, style->hex[c & 15]);
		}
	}
	return add_form(mask, &form, 0, form.len);
}

static flo_status add_urls(struct flo__mask *mask, const char *value,
			   size_t len)
{
	static const char upper[] = "0123456789ABCDEF";
	static const char lower[] = "0123456789abcdef";
	static const struct url_style styles[] = {
		{"~", upper, false},	  /* RFC 3986, curl */
		{"~", lower, false},	  /* the same of others */
		{"~/", upper, false},	  /* Python's quote() */
		{"~!'()*", upper, false}, /* encodeURIComponent() */
		{"*", upper, true},	  /* forms: WHATWG */
		{"~", upper, true},	  /* forms: Go, Python */
	};

	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		TRY_FORM(add_url(mask, value, len, &styles[i]));
	return FLO_OK;
}

static flo_status add_replaced(struct flo__mask *mask, const char *value,
			       size_t len, const char *chars,
			       const char *const *texts)
{
	struct flo__strbuf form;

	form_init(&form, len);
	for (size_t i = 0; i < len; i++) {
		const char *at =
			value[i] != '\0' ? strchr(chars, value[i]) : NULL;

		if (at != NULL)
			flo__strbuf_adds(&form, texts[at - chars]);
		else
			flo__strbuf_addc(&form, value[i]);
	}
	return add_form(mask, &form, 0, form.len);
}

/* ---- base64 ---- */

/*
 * Encode @len bytes after @shift others, whose place is held by zeros. @end:
 * nothing follows, so that there is a last character and padding.
 */
static void encode(struct flo__strbuf *form, const char *value, size_t len,
		   size_t shift, const char *alphabet, bool end)
{
	uint32_t bits = 0;
	unsigned have = (unsigned)shift * 8;

	/* The zeros; what remains of them is in the first characters. */
	for (; have >= 6; have -= 6)
		flo__strbuf_addc(form, alphabet[0]);
	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | (unsigned char)value[i]) & 0xffff;
		for (have += 8; have >= 6; have -= 6)
			flo__strbuf_addc(form,
					 alphabet[bits >> (have - 6) & 63]);
	}
	if (end && have > 0)
		flo__strbuf_addc(form, alphabet[bits << (6 - have) & 63]);
	for (size_t pad = (3 - (len + shift) % 3) % 3; end && pad > 0; pad--)
		flo__strbuf_addc(form, '=');
	explicit_bzero(&bits, sizeof(bits));
}

/* The characters that depend on the value alone, and perhaps the end. */
static flo_status add_base64(struct flo__mask *mask, const char *value,
			     size_t len, size_t shift, const char *alphabet,
			     bool end)
{
	struct flo__strbuf form;

	form_init(&form, len);
	encode(&form, value, len, shift, alphabet, end);
	return add_form(mask, &form, (shift * 8 + 5) / 6, form.len);
}

#define BASE64_LINE 76

/* In lines, as from the beginning of what is encoded. */
static flo_status add_wrapped(struct flo__mask *mask, const char *value,
			      size_t len, const char *alphabet)
{
	struct flo__strbuf form;
	flo_status st = FLO_OK;

	form_init(&form, len);
	encode(&form, value, len, 0, alphabet, true);
	for (size_t at = 0; form.len > BASE64_LINE && at < form.len &&
			    st == FLO_OK && !form.failed;
	     at += BASE64_LINE) {
		size_t n = form.len - at < BASE64_LINE ? form.len - at
						       : BASE64_LINE;

		if (n >= FLO__MASK_PART_MIN)
			st = flo__mask_add(mask, form.data + at, n);
	}
	if (st == FLO_OK)
		st = flo__strbuf_status(&form);
	add_form(mask, &form, 0, 0);
	return st;
}

static flo_status add_base64s(struct flo__mask *mask, const char *value,
			      size_t len)
{
	static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz"
				  "0123456789-_";

	for (size_t shift = 0; shift < 3; shift++) {
		TRY_FORM(add_base64(mask, value, len, shift, standard, false));
		TRY_FORM(add_base64(mask, value, len, shift, standard, true));
		TRY_FORM(add_base64(mask, value, len, shift, url, false));
		TRY_FORM(add_base64(mask, value, len, shift, url, true));
	}
	return add_wrapped(mask, value, len, standard);
}

/* ---- all of them ---- */

/* As the events of a run are written. */
static flo_status add_ours(struct flo__mask *mask, const char *value,
			   size_t len)
{
	struct flo__strbuf form;

	form_init(&form, len);
	flo__strbuf_add_json(&form, value, len);
	return add_form(mask, &form, 1, form.len != 0 ? form.len - 1 : 0);
}

static flo_status add_escaped(struct flo__mask *mask, const char *value,
			      size_t len)
{
	static const char *const xml[] = {"&amp;", "&lt;", "&gt;", "&quot;",
					  "&#39;"};
	static const char *const xml_text[] = {"&amp;", "&lt;", "&gt;"};
	static const char *const shell[] = {"'\\''"};

	TRY_FORM(add_ours(mask, value, len));
	TRY_FORM(add_json(mask, value, len, 0));
	TRY_FORM(add_json(mask, value, len, JSON_ASCII));
	TRY_FORM(add_json(mask, value, len, JSON_ASCII | JSON_SLASH));
	TRY_FORM(add_json(mask, value, len, JSON_HTML));
	TRY_FORM(add_replaced(mask, value, len, "&<>\"'", xml));
	TRY_FORM(add_replaced(mask, value, len, "&<>", xml_text));
	return add_replaced(mask, value, len, "'", shell);
}

static flo_status add_lines(struct flo__mask *mask, const char *value,
			    size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *nl = memchr(value + at, '\n', len - at);
		size_t end = nl != NULL ? (size_t)(nl - value) : len;
		size_t n = end - at;

		if (n > 0 && value[end - 1] == '\r')
			n--;
		if (n >= FLO__MASK_PART_MIN && n < len) {
			TRY_FORM(flo__mask_add(mask, value + at, n));
			TRY_FORM(add_json(mask, value + at, n, 0));
		}
		at = end + 1;
	}
	return FLO_OK;
}

flo_status flo__mask_add_secret(struct flo__mask *mask, const char *value,
				size_t len)
{
	TRY_FORM(flo__mask_add(mask, value, len));
	if (len < FLO__MASK_PART_MIN)
		return FLO_OK;
	TRY_FORM(add_escaped(mask, value, len));
	TRY_FORM(add_urls(mask, value, len));
	TRY_FORM(add_base64s(mask, value, len));
	return add_lines(mask, value, len);
}
