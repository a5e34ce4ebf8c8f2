/* What sources and pulls may be, and are, called. */
#include "steps/cmdb/stage.h"

#include "base/strbuf.h"

#include <string.h>

flo_status flo__source_check(const char *source, flo_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-.";
	size_t len = strlen(source);

	if (len == 0 || len > FLO__SOURCE_BYTES_MAX || source[0] == '.' ||
	    source[0] == '-' || strspn(source, allowed) != len)
		return flo_error_set(err, FLO_INVALID,
				     "\"%.140s\" cannot name a source, as it "
				     "becomes part of file names: use up to %d "
				     "letters, digits, '_', '-' and '.', "
				     "beginning with none of the last two",
				     source, FLO__SOURCE_BYTES_MAX);
	return FLO_OK;
}

flo_status flo__stage_id(const flo_step_call *call, const char *kind,
			 unsigned n, char ret_id[FLO__DIGEST_TEXT_SIZE])
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__digest digest;
	flo_status st;

	flo__strbuf_addf(&sb, "%s\n%s", kind, flo_step_idempotency_key(call));
	if (n != 0)
		flo__strbuf_addf(&sb, "\n%u", n);
	st = flo__strbuf_status(&sb);
	digest = flo__digest_of(sb.data, sb.len);
	flo__strbuf_fini(&sb);
	if (st == FLO_OK)
		flo__digest_text(&digest, ret_id);
	return st;
}
