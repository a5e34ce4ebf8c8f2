/* Error objects: what went wrong with a step, as events and expressions see. */
#include "engine/run/run_p.h"

const char *flo__failure_kind(flo_status status)
{
	switch (status) {
	case FLO_TIMEOUT:
		return "timeout";
	case FLO_SPAWN:
		return "spawn";
	case FLO_EXIT:
		return "exit";
	case FLO_SIGNAL:
		return "signal";
	case FLO_PANIC:
		return "panic";
	case FLO_CANCELED:
		return "cancelled";
	case FLO_STORE:
	case FLO_FULL:
		return "store";
	case FLO_DEADLOCK:
		return "deadlock";
	default:
		return "native";
	}
}

static flo_value *text_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? flo_value_string(text)
					       : flo_value_null();
}

flo_value *flo__failure(const char *kind, const char *path, const char *message,
			const char *cause, const char *stderr_tail)
{
	flo_value *map = flo_value_map(5);

	if (map == NULL)
		return NULL;
	if (flo_value_map_set(map, "kind", flo_value_string(kind)) == FLO_OK &&
	    flo_value_map_set(map, "path", text_or_null(path)) == FLO_OK &&
	    flo_value_map_set(map, "message", text_or_null(message)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "cause", text_or_null(cause)) == FLO_OK &&
	    flo_value_map_set(map, "stderr_tail", text_or_null(stderr_tail)) ==
		    FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

/* What @error says under @key, "" if that is no text. */
static const char *text_of(const flo_value *error, const char *key)
{
	const flo_value *value = flo_value_map_get(error, key);

	return value != NULL && flo_value_typeof(value) == FLO_VALUE_STRING
		       ? flo_value_get_string(value, NULL)
		       : "";
}

flo_value *flo__failure_add(const flo_value *error, const char *what,
			    const char *why)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *more = NULL;

	flo__strbuf_addf(&sb, "%s; %s: %s", text_of(error, "message"), what,
			 why);
	if (flo__strbuf_status(&sb) == FLO_OK)
		more = flo__failure(text_of(error, "kind"),
				    text_of(error, "path"), sb.data,
				    text_of(error, "cause"),
				    text_of(error, "stderr_tail"));
	flo__strbuf_fini(&sb);
	return more;
}

flo_value *flo__failure_brief(const flo_value *error)
{
	static const char *const keys[] = {"kind", "path", "message"};
	flo_value *map = flo_value_map(3);

	for (size_t i = 0; map != NULL && i < 3; i++) {
		const flo_value *value = flo_value_map_get(error, keys[i]);

		if (flo_value_map_set(map, keys[i],
				      value != NULL
					      ? flo_value_ref(value)
					      : flo_value_null()) != FLO_OK) {
			flo_value_unref(map);
			return NULL;
		}
	}
	return map;
}
