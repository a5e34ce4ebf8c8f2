/* What expressions give for numbers: limits, time limits, counts. */
#include "engine/plan.h"

#include "base/time.h"

static flo_status read_count(const flo_value *value, int least, flo_error *err,
			     uint64_t *ret)
{
	flo_value_type type = flo_value_typeof(value);

	if (type == FLO_VALUE_INT && flo_value_get_int(value) >= 0) {
		*ret = (uint64_t)flo_value_get_int(value);
		return FLO_OK;
	}
	if (type == FLO_VALUE_INT)
		return flo_error_set(err, FLO_TYPE,
				     "%lld is not a whole number from %d",
				     (long long)flo_value_get_int(value),
				     least);
	if (type == FLO_VALUE_STRING)
		return flo_error_set(err, FLO_TYPE,
				     "\"%s\" is not a whole number from %d",
				     flo_value_get_string(value, NULL), least);
	return flo_error_set(err, FLO_TYPE, "not a whole number from %d",
			     least);
}

static flo_status read_timeout(const flo_value *value, flo_error *err,
			       uint64_t *ret)
{
	const char *text;
	uint64_t ns;
	size_t len;

	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return flo_error_set(err, FLO_TYPE,
				     "not a duration such as \"10s\"");
	text = flo_value_get_string(value, &len);
	if (flo__duration_parse(text, len, &ns) != FLO_OK)
		return flo_error_set(err, FLO_TYPE,
				     "\"%s\" is not a duration such as "
				     "\"10s\"",
				     text);
	/* Inside, 0 says that there is no limit: nobody means that by it. */
	if (ns == 0)
		return flo_error_set(err, FLO_RANGE,
				     "must be more than 0, not \"%s\"", text);
	*ret = ns;
	return FLO_OK;
}

flo_status flo__number_read(const flo_value *value, enum flo__number_kind kind,
			    flo_error *err, uint64_t *ret)
{
	uint64_t n = 0;
	flo_status st;

	if (kind == FLO__NUMBER_TIMEOUT)
		return read_timeout(value, err, ret);
	st = read_count(value, kind == FLO__NUMBER_LIMIT, err, &n);
	if (st != FLO_OK)
		return st;
	if (kind == FLO__NUMBER_LIMIT && n == 0)
		return flo_error_set(err, FLO_RANGE,
				     "0 would let nothing run: a limit is at "
				     "least 1");
	*ret = n;
	return FLO_OK;
}
