/*
 * Note: running out of memory inside jansson.
 *
 * jansson's lexer ignores whether its buffer could grow. A byte that was not
 * stored is missing from the result, or is noticed by assert() when the lexer
 * takes it back. So no call into jansson may go on after an allocation failed:
 * the wrapped allocator leaves the load by longjmp() and frees all that the
 * load had allocated, which it knows from a record of live allocations.
 *
 * The record is an array. What is freed is mostly young, so it is looked for at
 * the end, but no further than a few entries: the rest is noted in a second
 * array, of frees, and only who runs out of memory sorts both to find out what
 * was live. A key is freed after its value was read, and after a syntax error
 * jansson frees the whole tree, oldest first: to search for these took hours
 * for a text of some megabytes. Refused: a hash table, since each of millions
 * of allocations would pay for what almost never happens.
 *
 * Refused: to go on with a flag set and an emergency arena for what the lexer
 * asks until it ends. How large the arena must be depends on the longest
 * token and on how jansson is written inside; here nothing does. And a header
 * before each block, as memory of the time before the guard has none.
 *
 * Where only the verdict on a text is wanted, all comes from an arena that is
 * dropped afterwards, tree and all. There is nothing to record then, and to
 * free the tree piece by piece took longer than to ask.
 *
 * A tree takes ten times its text, and most of the time went by in memory that
 * was touched for the first time. So a verdict is asked for in pieces, where
 * the caller knows of some: small arrays and objects, each in the same memory,
 * and then the text with `null` in the place of each. jansson still reads every
 * byte. Brackets end a token, so the whole is JSON if and only if all of these
 * are: one value stands for another, and keys that are there twice are in one
 * object, which is in one piece or around all of them. Only nesting adds up,
 * and that is kept far from its limit. When anything is refused jansson is
 * asked again about the whole, for its words and the place: what it says of a
 * piece is never told.
 *
 * A longjmp() over jansson is safe since it holds no lock and no file while
 * it allocates, and no one else can see what a load has made until it is done.
 * The thread-local variable is safe in coroutines as a load never parks.
 */
#include "json/json_p.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/contract.h"
#include "json/words.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Above this many levels jansson's recursion leaves the caller's stack. */
#define SHALLOW_MAX 256

/* jansson takes 80 bytes a level; sanitizers make that several times more. */
#define DEEP_STACK (4u << 20)

/* Entries of live that are searched for what is freed. */
#define LOOK_BACK 32

struct record {
	void **items; /* owned */
	size_t len;
	size_t cap;
};

/* A load in progress. All fields by its thread only. */
struct load {
	const char *text;
	size_t len;
	size_t flags;
	flo_status status;
	json_error_t error;
	json_t *root;	    /* if the status is FLO_OK */
	struct record live; /* what it has allocated */
	struct record gone; /* what of that was freed and is still in live */
	struct flo__arena *arena; /* NULL, or where all that comes from */
	struct flo__json_pieces *pieces; /* NULL: none */
	char *rest; /* owned: the text without its pieces */
	jmp_buf out_of_memory;
};

/*
 * The thread's. A load never gives way to another coroutine, so that all see it
 * empty; relaxed atomics say so to a ThreadSanitizer to whom each coroutine is a
 * thread of its own.
 */
static _Thread_local _Atomic(struct load *) current;

static struct load *loading(void)
{
	return atomic_load_explicit(&current, memory_order_relaxed);
}

static void set_loading(struct load *load)
{
	atomic_store_explicit(&current, load, memory_order_relaxed);
}

static pthread_once_t installed = PTHREAD_ONCE_INIT;
static json_malloc_t below_malloc; /* written once, by install() */
static json_free_t below_free;

static bool record(struct record *record, void *mem)
{
	if (record->len == record->cap) {
		size_t cap = record->cap < 64 ? 64 : record->cap * 2;
		void **items =
			flo__reallocarray(record->items, cap, sizeof(*items));

		if (items == NULL)
			return false;
		record->items = items;
		record->cap = cap;
	}
	record->items[record->len++] = mem;
	return true;
}

/* @mem is about to be freed. False without memory to note that. */
static bool forget(struct load *load, void *mem)
{
	struct record *live = &load->live;
	size_t end = live->len > LOOK_BACK ? live->len - LOOK_BACK : 0;

	for (size_t i = live->len; i-- > end;) {
		if (live->items[i] == mem) {
			live->items[i] = live->items[--live->len];
			return true;
		}
	}
	return record(&load->gone, mem);
}

static void *guard_malloc(size_t size)
{
	struct load *load = loading();
	bool bump = load != NULL && load->arena != NULL;
	void *mem =
		bump ? flo__arena_alloc(load->arena, size) : below_malloc(size);

	if (load == NULL || (bump && mem != NULL))
		return mem;
	if (mem == NULL)
		longjmp(load->out_of_memory, 1);
	if (!record(&load->live, mem)) {
		below_free(mem);
		longjmp(load->out_of_memory, 1);
	}
	return mem;
}

static void guard_free(void *mem)
{
	struct load *load = loading();

	if (load != NULL && load->arena != NULL)
		return; /* the arena's end is its end */
	if (load != NULL && mem != NULL && !forget(load, mem))
		longjmp(load->out_of_memory, 1);
	below_free(mem);
}

static void install(void)
{
	json_get_alloc_funcs(&below_malloc, &below_free);
	/* Nobody chose an allocator: take ours, whose memory free() frees. */
	if (below_malloc == malloc && below_free == free) {
		below_malloc = flo__malloc;
		below_free = flo__free;
	}
	json_set_alloc_funcs(guard_malloc, guard_free);
}

void flo__json_guard_install(void)
{
	pthread_once(&installed, install);
}

static int by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (void *const *)a;
	uintptr_t y = (uintptr_t) * (void *const *)b;

	return x < y ? -1 : x > y;
}

/* Free what is in live more often than in gone: an address that was freed may
 * have been allocated again. */
static void free_live(struct load *load)
{
	struct record *live = &load->live;
	struct record *gone = &load->gone;
	size_t at = 0;

	if (live->len > 1)
		qsort(live->items, live->len, sizeof(void *), by_address);
	if (gone->len > 1)
		qsort(gone->items, gone->len, sizeof(void *), by_address);
	for (size_t i = 0; i < live->len; i++) {
		/* jansson may have freed what an earlier load had made. */
		while (at < gone->len &&
		       by_address(&gone->items[at], &live->items[i]) < 0)
			at++;
		if (at < gone->len && gone->items[at] == live->items[i])
			at++;
		else
			below_free(live->items[i]);
	}
}

static void record_fini(struct record *record)
{
	flo__free(record->items);
	*record = (struct record){0};
}

/* @load belongs to the caller's frame: longjmp() leaves it as it was. */
static void load_or_jump(struct load *load)
{
	load->status = FLO_NOMEM;
	set_loading(load);
	if (setjmp(load->out_of_memory) == 0) {
		load->root = json_loadb(load->text, load->len, load->flags,
					&load->error);
		load->status = load->root != NULL ? FLO_OK : FLO_SYNTAX;
	}
	set_loading(NULL);
}

static void load_guarded(struct load *load)
{
	load_or_jump(load);
	if (load->status == FLO_NOMEM)
		free_live(load);
	record_fini(&load->live);
	record_fini(&load->gone);
}

/*
 * The start of the token at which jansson gave up. It tells how far it had
 * read, which is the token's end.
 */
static size_t find_fault(const struct load *load)
{
	size_t end =
		load->error.position < 0 ? 0 : (size_t)load->error.position;
	size_t begin = 0;
	size_t at = 0;
	size_t token;

	while (flo__json_next_token(load->text, load->len, &at, &token) &&
	       token < end)
		begin = token;
	if (json_error_code(&load->error) != json_error_premature_end_of_input)
		return begin;
	/* A string without end begins somewhere; a bracket is missed here. */
	return load->len != 0 && load->text[begin] == '"' &&
			       load->error.position >= (int)load->len &&
			       strstr(load->error.text, "premature") != NULL
		       ? begin
		       : load->len;
}

static flo_status tell_slip(const char *text, const struct flo__json_slip *slip,
			    flo_error *err)
{
	struct flo__json_place place = flo__json_place_of(text, slip->begin);

	if (err == NULL || err->status != FLO_OK)
		return FLO_SYNTAX;
	flo_error_set(err, FLO_SYNTAX, "%s%s%s", slip->message,
		      slip->hint != NULL ? "; " : "",
		      slip->hint != NULL ? slip->hint : "");
	flo_error_place(err, place.line, place.column);
	return FLO_SYNTAX;
}

/* In our words where they fit: those of jansson cite the text, and know what
 * it expected, but not what was meant. */
static flo_status tell_fault(const struct load *load, flo_error *err)
{
	size_t fault = find_fault(load);
	struct flo__json_slip slip;
	char words[256];
	size_t at;

	flo__json_words(load->error.text, words, sizeof(words));
	if (!flo__json_fault_find(load->text, load->len, &at, &slip) ||
	    at > fault)
		slip = (struct flo__json_slip){
			.begin = fault,
			.message = json_error_code(&load->error) ==
						   json_error_duplicate_key
					   ? "a key appears twice"
					   : words};
	return tell_slip(load->text, &slip, err);
}

/*
 * Write the integer at @token as a real number of the same length: 17 digits,
 * which is all that a double holds, and an exponent. @token is too large for
 * 64 bits, so it has at least 19 digits. False if it is beyond a double, too.
 */
static bool write_as_real(char *token, size_t len)
{
	double d = strtod(token, NULL);
	char text[64];
	const char *e;
	char *sign = token;
	int n;

	if (d - d != 0)
		return false;
	snprintf(text, sizeof(text), "%.16e", d < 0 ? -d : d);
	e = strchr(text, 'e');
	if (*token == '-')
		token++;
	memset(token, ' ', len - (size_t)(token - sign));
	/* The decimal point, whatever the locale's is, lies between. */
	*token++ = text[0];
	memcpy(token, e - 16, 16);
	n = snprintf(text, sizeof(text), "e%ld", strtol(e + 1, NULL, 10) - 16);
	memcpy(token + 16, text, (size_t)n);
	return true;
}

/* Whether @token is an integer as JSON writes it, and beyond 64 bits. */
static bool is_huge_integer(const char *token, size_t len)
{
	size_t digits = *token == '-' ? 1 : 0;

	if (len - digits < 19 || token[digits] == '0')
		return false;
	if (digits + strspn(token + digits, "0123456789") != len)
		return false;
	errno = 0;
	strtoll(token, NULL, 10);
	return errno == ERANGE;
}

/* A copy of the text in which no integer is beyond 64 bits. */
static char *copy_without_huge(const char *text, size_t len)
{
	char *copy = flo__strndup(text, len);
	size_t begin;
	size_t at = 0;

	if (copy == NULL)
		return NULL;
	while (flo__json_next_token(copy, len, &at, &begin)) {
		if (is_huge_integer(copy + begin, at - begin) &&
		    !write_as_real(copy + begin, at - begin))
			break; /* jansson will report it */
	}
	return copy;
}

/* jansson refuses integers beyond 64 bits: they are doubles here. */
static void load_huge(struct load *load)
{
	const char *text = load->text;
	char *copy = copy_without_huge(load->text, load->len);

	if (copy == NULL) {
		load->status = FLO_NOMEM;
		return;
	}
	load->text = copy;
	load_guarded(load);
	load->text = text;
	flo__free(copy);
}

static void *load_any(void *arg)
{
	struct load *load = arg;

	load_guarded(load);
	if (load->status == FLO_SYNTAX &&
	    json_error_code(&load->error) == json_error_numeric_overflow)
		load_huge(load);
	return NULL;
}

/*
 * Run @fn on a thread with a large stack and wait for it. Signals stay with
 * the threads that are made for them.
 */
static int run_deep(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc != 0)
		return rc;
	pthread_attr_setstacksize(&attr, DEEP_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		INSIST(pthread_join(thread, NULL) == 0);
	return rc;
}

static bool text_is_deep(const char *text, size_t len)
{
	size_t depth = 0;
	size_t begin;
	size_t at = 0;

	while (flo__json_next_token(text, len, &at, &begin)) {
		if (text[begin] == '[' || text[begin] == '{')
			depth++;
		else if (text[begin] == ']' || text[begin] == '}')
			depth -= depth != 0;
		if (depth > SHALLOW_MAX)
			return true;
	}
	return false;
}

static flo_status tell_nul(const char *text, size_t len, size_t offset,
			   flo_error *err)
{
	struct flo__json_spot spot = {.text = text, .len = len};
	struct flo__json_slip slip = {.begin = offset,
				      .message = "a NUL byte in the text"};

	if (flo__json_is_utf16(text, len))
		slip = flo__json_slip_at(&spot);
	return tell_slip(text, &slip, err);
}

static flo_status load_text(struct load *load, bool deep, flo_error *err)
{
	const char *nul =
		load->len != 0 ? memchr(load->text, '\0', load->len) : NULL;
	int rc = 0;

	if (nul != NULL)
		return tell_nul(load->text, load->len,
				(size_t)(nul - load->text), err);
	load->flags |= JSON_REJECT_DUPLICATES;
	if (deep)
		rc = run_deep(load_any, load);
	else
		load_any(load);
	if (rc != 0)
		return flo_error_sys(err, rc, "read deep JSON");
	if (load->status == FLO_SYNTAX)
		return tell_fault(load, err);
	if (load->status != FLO_OK)
		return flo_error_set(err, load->status, "read JSON: %s",
				     flo_status_text(load->status));
	return FLO_OK;
}

flo_status flo__json_load(const char *text, size_t len, size_t flags,
			  flo_error *err, json_t **ret)
{
	struct load load = {.text = text, .len = len, .flags = flags};
	flo_status st = load_text(&load, text_is_deep(text, len), err);

	if (st == FLO_OK)
		*ret = load.root;
	return st;
}

/* Whether jansson reads @text; what it has made of it is dropped. */
static bool accepts(struct load *load, const char *text, size_t len)
{
	json_error_t error;
	json_t *root = json_loadb(text, len, load->flags, &error);

	/* Before the guard is installed jansson does not come to us. */
	if (load->arena->blocks == NULL)
		json_decref(root);
	flo__arena_clear(load->arena);
	return root != NULL;
}

/* Whether it reads each piece, and the text around them. */
static bool accepts_pieces(struct load *load)
{
	char *rest = load->rest;
	size_t at = 0;
	size_t begin;
	size_t end;

	while (load->pieces->next(load->pieces, &begin, &end)) {
		REQUIRE(begin >= at && end >= begin + 4 && end <= load->len);
		if (!accepts(load, load->text + begin, end - begin))
			return false;
		memcpy(rest, load->text + at, begin - at);
		memcpy(rest + (begin - at), "null", 4);
		rest += begin - at + 4;
		at = end;
	}
	memcpy(rest, load->text + at, load->len - at);
	rest += load->len - at;
	return accepts(load, load->rest, (size_t)(rest - load->rest));
}

/* @load belongs to the caller's frame, as in load_or_jump(). */
static void check_or_jump(struct load *load)
{
	load->status = FLO_NOMEM;
	set_loading(load);
	if (setjmp(load->out_of_memory) == 0)
		load->status = accepts_pieces(load) ? FLO_OK : FLO_SYNTAX;
	set_loading(NULL);
}

/* FLO_SYNTAX: ask about the whole, for the reason. */
static flo_status check_pieces(struct load *load, flo_error *err)
{
	load->status = FLO_NOMEM;
	load->flags |= JSON_REJECT_DUPLICATES;
	load->rest = flo__malloc(load->len);
	if (load->rest != NULL)
		check_or_jump(load);
	flo__free(load->rest);
	load->rest = NULL;
	flo__arena_clear(load->arena);
	if (load->status == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "read JSON: %s",
			      flo_status_text(FLO_NOMEM));
	return load->status;
}

static flo_status check_whole(struct load *load, bool deep, flo_error *err)
{
	flo_status st = load_text(load, deep, err);

	if (st == FLO_OK && load->arena->blocks == NULL)
		flo__json_free(load->root);
	return st;
}

flo_status flo__json_check(const char *text, size_t len, size_t flags,
			   size_t depth, struct flo__json_pieces *pieces,
			   flo_error *err)
{
	struct flo__arena arena;
	struct load load = {.text = text,
			    .len = len,
			    .flags = flags,
			    .arena = &arena,
			    .pieces = pieces};
	flo_status st = FLO_SYNTAX;

	flo__arena_init(&arena);
	if (pieces != NULL && depth <= SHALLOW_MAX)
		st = check_pieces(&load, err);
	if (st == FLO_SYNTAX)
		st = check_whole(&load, depth > SHALLOW_MAX, err);
	flo__arena_fini(&arena);
	return st;
}

static void forget_tree(struct flo__json_reader *reader)
{
	flo__json_free(reader->own);
	reader->own = NULL;
	flo__arena_clear(&reader->arena);
}

flo_status flo__json_read(struct flo__json_reader *reader, const char *text,
			  size_t len, size_t flags, size_t depth,
			  flo_error *err, const json_t **ret)
{
	struct load load = {.text = text,
			    .len = len,
			    .flags = flags,
			    .arena = &reader->arena};
	flo_status st;

	/* What starts as zeros has no size yet. */
	if (reader->arena.next_size == 0)
		flo__arena_init(&reader->arena);
	forget_tree(reader);
	st = load_text(&load, depth > SHALLOW_MAX, err);
	if (st != FLO_OK)
		return st;
	/* Before the guard is installed jansson does not come to us. */
	if (reader->arena.blocks == NULL)
		reader->own = load.root;
	*ret = load.root;
	return FLO_OK;
}

void flo__json_reader_fini(struct flo__json_reader *reader)
{
	forget_tree(reader);
	flo__arena_fini(&reader->arena);
}

static bool json_is_deep(json_t *json, int left)
{
	json_t *item;
	const char *key;
	size_t i;

	if (!json_is_array(json) && !json_is_object(json))
		return false;
	if (left == 0)
		return true;
	json_array_foreach(json, i, item)
	{
		if (json_is_deep(item, left - 1))
			return true;
	}
	json_object_foreach(json, key, item)
	{
		if (json_is_deep(item, left - 1))
			return true;
	}
	return false;
}

static void *decref(void *json)
{
	json_decref(json);
	return NULL;
}

void flo__json_free(json_t *json)
{
	if (json == NULL)
		return;
	/* Without a thread a deep document leaks: better than a crash. */
	if (json_is_deep(json, SHALLOW_MAX))
		(void)run_deep(decref, json);
	else
		json_decref(json);
}
