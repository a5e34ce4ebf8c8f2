#include "base/value_repr.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <stddef.h>
#include <string.h>

static struct flo_value the_null = {.type = FLO_VALUE_NULL};
static struct flo_value the_false = {.type = FLO_VALUE_BOOL};
static struct flo_value the_true = {.type = FLO_VALUE_BOOL, .of.b = true};

flo_value *flo__value_new(flo_value_type type, size_t size)
{
	flo_value *value = flo__malloc(size);

	if (value == NULL)
		return NULL;
	atomic_init(&value->refs, 1);
	value->type = type;
	return value;
}

flo_value *flo_value_null(void)
{
	return &the_null;
}

flo_value *flo_value_bool(bool b)
{
	return b ? &the_true : &the_false;
}

flo_value *flo_value_int(int64_t n)
{
	flo_value *value = flo__value_new(FLO_VALUE_INT, VALUE_SIZE(i));

	if (value != NULL)
		value->of.i = n;
	return value;
}

flo_value *flo_value_uint(uint64_t n)
{
	flo_value *value = flo__value_new(FLO_VALUE_UINT, VALUE_SIZE(u));

	if (value != NULL)
		value->of.u = n;
	return value;
}

flo_value *flo_value_double(double d)
{
	flo_value *value = flo__value_new(FLO_VALUE_DOUBLE, VALUE_SIZE(d));

	if (value != NULL)
		value->of.d = d;
	return value;
}

static flo_value *new_text(flo_value_type type, const void *text, size_t len)
{
	size_t head = offsetof(struct flo_value, of.str.text);
	flo_value *value;

	if (len > SIZE_MAX / 2)
		return NULL;
	value = flo__value_new(type, head + len + 1);
	if (value == NULL)
		return NULL;
	value->of.str.len = len;
	if (len != 0)
		memcpy((char *)value + head, text, len);
	((char *)value)[head + len] = '\0';
	return value;
}

flo_value *flo_value_string(const char *text)
{
	return new_text(FLO_VALUE_STRING, text, strlen(text));
}

flo_value *flo_value_stringn(const char *text, size_t len)
{
	return new_text(FLO_VALUE_STRING, text, len);
}

flo_value *flo_value_bytes(const void *bytes, size_t len)
{
	return new_text(FLO_VALUE_BYTES, bytes, len);
}

flo_value *flo_value_typename(const char *name)
{
	return new_text(FLO_VALUE_TYPE, name, strlen(name));
}

static flo_value *new_time(flo_value_type type, int64_t s, int32_t ns)
{
	flo_value *value = flo__value_new(type, VALUE_SIZE(time));

	if (value == NULL)
		return NULL;
	value->of.time.s = s;
	value->of.time.ns = ns;
	return value;
}

flo_value *flo_value_timestamp(int64_t s, int32_t ns)
{
	REQUIRE(ns >= 0 && ns < 1000000000);
	return new_time(FLO_VALUE_TIMESTAMP, s, ns);
}

flo_value *flo_value_duration(int64_t s, int32_t ns)
{
	REQUIRE(ns > -1000000000 && ns < 1000000000);
	REQUIRE(ns >= 0 || s > INT64_MIN);
	if (ns < 0)
		return new_time(FLO_VALUE_DURATION, s - 1, ns + 1000000000);
	return new_time(FLO_VALUE_DURATION, s, ns);
}

flo_value *flo_value_ref(const flo_value *value)
{
	flo_value *v = (flo_value *)value;

	if (atomic_load_explicit(&v->refs, memory_order_relaxed) != 0)
		INSIST(atomic_fetch_add_explicit(&v->refs, 1,
						 memory_order_relaxed) <
		       UINT32_MAX);
	return v;
}

bool flo__value_is_own(const flo_value *value)
{
	return atomic_load_explicit(&((flo_value *)value)->refs,
				    memory_order_relaxed) == 1;
}

/* Give one reference back; true if it was the last. */
static bool drop(flo_value *value)
{
	/* acquire: pairs with the release of whoever dropped before us */
	unsigned refs =
		atomic_load_explicit(&value->refs, memory_order_acquire);

	if (refs <= 1)
		return refs == 1;
	return atomic_fetch_sub_explicit(&value->refs, 1,
					 memory_order_acq_rel) == 1;
}

/*
 * Drop a child. A container that died waits in the list @dead, threaded
 * through itself, so that depth costs neither stack nor memory.
 */
static void bury(flo_value *value, flo_value **dead)
{
	if (!drop(value))
		return;
	if (value->type == FLO_VALUE_LIST) {
		value->of.list.at.next_dead = *dead;
		*dead = value;
	} else if (value->type == FLO_VALUE_MAP) {
		flo__free(value->of.map.at.index);
		value->of.map.at.next_dead = *dead;
		*dead = value;
	} else {
		flo__free(value);
	}
}

static void free_list(flo_value *list, flo_value **dead)
{
	for (uint32_t i = 0; i < list->of.list.len; i++)
		bury(list->of.list.items[i], dead);
	flo__free(list->of.list.items);
	flo__free(list);
}

static void free_map(flo_value *map, flo_value **dead)
{
	for (uint32_t i = 0; i < map->of.map.len; i++) {
		bury(map->of.map.entries[i].key, dead);
		bury(map->of.map.entries[i].value, dead);
	}
	flo__free(map->of.map.entries);
	flo__free(map);
}

void flo_value_unref(const flo_value *value)
{
	flo_value *dead = NULL;

	if (value == NULL)
		return;
	bury((flo_value *)value, &dead);
	while (dead != NULL) {
		flo_value *next = dead;

		if (next->type == FLO_VALUE_LIST) {
			dead = next->of.list.at.next_dead;
			free_list(next, &dead);
		} else {
			dead = next->of.map.at.next_dead;
			free_map(next, &dead);
		}
	}
}

flo_value_type flo_value_typeof(const flo_value *value)
{
	return (flo_value_type)value->type;
}

bool flo_value_get_bool(const flo_value *value)
{
	REQUIRE(value->type == FLO_VALUE_BOOL);
	return value->of.b;
}

int64_t flo_value_get_int(const flo_value *value)
{
	REQUIRE(value->type == FLO_VALUE_INT);
	return value->of.i;
}

uint64_t flo_value_get_uint(const flo_value *value)
{
	REQUIRE(value->type == FLO_VALUE_UINT);
	return value->of.u;
}

double flo_value_get_double(const flo_value *value)
{
	REQUIRE(value->type == FLO_VALUE_DOUBLE);
	return value->of.d;
}

static bool is_time(const flo_value *value)
{
	return value->type == FLO_VALUE_TIMESTAMP ||
	       value->type == FLO_VALUE_DURATION;
}

int64_t flo_value_get_seconds(const flo_value *value)
{
	REQUIRE(is_time(value));
	return value->of.time.s;
}

int32_t flo_value_get_nanos(const flo_value *value)
{
	REQUIRE(is_time(value));
	return value->of.time.ns;
}

static bool is_text(const flo_value *value)
{
	return value->type == FLO_VALUE_STRING ||
	       value->type == FLO_VALUE_BYTES || value->type == FLO_VALUE_TYPE;
}

const char *flo_value_get_string(const flo_value *value, size_t *ret_len)
{
	REQUIRE(is_text(value));
	if (ret_len != NULL)
		*ret_len = value->of.str.len;
	return value->of.str.text;
}

size_t flo_value_len(const flo_value *value)
{
	if (value->type == FLO_VALUE_LIST)
		return value->of.list.len;
	if (value->type == FLO_VALUE_MAP)
		return value->of.map.len;
	return is_text(value) ? value->of.str.len : 0;
}

void flo_free(void *mem)
{
	flo__free(mem);
}
