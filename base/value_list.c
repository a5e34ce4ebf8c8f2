#include "base/value_repr.h"

#include "base/alloc.h"
#include "base/contract.h"

static bool list_grow(flo_value *list, size_t cap)
{
	flo_value **items;

	if (cap > VALUE_LEN_MAX)
		return false;
	items = flo__reallocarray(list->of.list.items, cap, sizeof(*items));
	if (items == NULL)
		return false;
	list->of.list.items = items;
	list->of.list.cap = (uint32_t)cap;
	return true;
}

/* What was measured is no longer so. Nobody else holds the list. */
static void forget(flo_value *list)
{
	atomic_store_explicit(&list->of.list.at.measure, 0,
			      memory_order_relaxed);
}

flo_value *flo_value_list(size_t capacity)
{
	flo_value *list = flo__value_new(FLO_VALUE_LIST, VALUE_SIZE(list));

	if (list == NULL)
		return NULL;
	list->of.list.items = NULL;
	list->of.list.len = 0;
	list->of.list.cap = 0;
	forget(list);
	if (capacity != 0 && !list_grow(list, capacity)) {
		flo_value_unref(list);
		return NULL;
	}
	return list;
}

flo_status flo_value_list_add(flo_value *list, flo_value *item)
{
	uint32_t cap = list->of.list.cap;

	REQUIRE(list->type == FLO_VALUE_LIST);
	REQUIRE(flo__value_is_own(list));
	REQUIRE(item != list);
	if (item == NULL)
		return FLO_NOMEM;
	if (list->of.list.len == cap &&
	    !list_grow(list, cap < 4 ? 4 : cap + (size_t)cap / 2)) {
		flo_value_unref(item);
		return FLO_NOMEM;
	}
	list->of.list.items[list->of.list.len++] = item;
	forget(list);
	return FLO_OK;
}

const flo_value *flo_value_list_at(const flo_value *list, size_t i)
{
	REQUIRE(list->type == FLO_VALUE_LIST);
	REQUIRE(i < list->of.list.len);
	return list->of.list.items[i];
}

void flo_value_list_set(flo_value *list, size_t i, flo_value *item)
{
	REQUIRE(list->type == FLO_VALUE_LIST);
	REQUIRE(flo__value_is_own(list));
	REQUIRE(i < list->of.list.len);
	REQUIRE(item != NULL && item != list);
	flo_value_unref(list->of.list.items[i]);
	list->of.list.items[i] = item;
	forget(list);
}
