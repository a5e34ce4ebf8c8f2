#include "steps/args.h"

#include "base/strbuf.h"

#include <string.h>

const flo_value *flo__args_get(const flo_value *with, const char *name)
{
	const flo_value *value =
		with != NULL ? flo_value_map_get(with, name) : NULL;

	if (value != NULL && flo_value_typeof(value) == FLO_VALUE_NULL)
		return NULL;
	return value;
}

flo_status flo__args_string(const flo_value *with, const char *name,
			    bool required, flo_error *err,
			    const char **ret_text)
{
	const flo_value *value = flo__args_get(with, name);
	const char *text;
	size_t len;

	if (value == NULL && required)
		return flo_error_set(err, FLO_INVALID, "\"%s\" is missing",
				     name);
	if (value == NULL)
		return FLO_OK;
	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return flo_error_set(err, FLO_TYPE, "\"%s\" must be a string",
				     name);
	text = flo_value_get_string(value, &len);
	if (len == 0)
		return flo_error_set(err, FLO_INVALID,
				     "\"%s\" is an empty string", name);
	if (strlen(text) != len)
		return flo_error_set(err, FLO_INVALID,
				     "\"%s\" has a NUL byte in it", name);
	*ret_text = text;
	return FLO_OK;
}

flo_status flo__args_bool(const flo_value *with, const char *name,
			  flo_error *err, bool *ret_on)
{
	const flo_value *value = flo__args_get(with, name);

	if (value == NULL)
		return FLO_OK;
	if (flo_value_typeof(value) != FLO_VALUE_BOOL)
		return flo_error_set(err, FLO_TYPE,
				     "\"%s\" must be true or false", name);
	*ret_on = flo_value_get_bool(value);
	return FLO_OK;
}

char *flo__args_path(const flo_step_call *call, const char *path)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *joined;

	if (path[0] != '/') {
		flo__strbuf_adds(&sb, flo_step_dir(call));
		flo__strbuf_addc(&sb, '/');
	}
	flo__strbuf_adds(&sb, path);
	joined = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	return joined;
}

const struct flo__mask *flo__args_mask(const flo_context *context)
{
	return context != NULL ? flo_context_value(context, &flo__mask_key)
			       : NULL;
}

flo_status flo__args_ended(const flo_step_call *call, flo_error *err)
{
	flo_error cause = FLO_ERROR_INIT;
	flo_status st = flo_context_cause(flo_step_context(call), &cause);

	if (st == FLO_OK)
		return FLO_OK;
	return flo_error_set(err, st, "%s",
			     cause.text[0] != '\0' ? cause.text
						   : flo_status_text(st));
}
