/* What the field Link says (RFC 8288). */
#ifndef FLO_HTTP_LINK_H
#define FLO_HTTP_LINK_H

#include <flo/error.h>

/*
 * The target of rel="next" in @link, the value of Link fields (several are
 * joined with ", "), a URL that may be relative: owned, NULL if none of the
 * links is that. With several it is the first one's; what follows it is not
 * looked at.
 *
 * FLO_CORRUPT: it cannot be read, so that nobody knows whether there is one; the
 * text shows the link without its query. FLO_NOMEM.
 */
flo_status flo__http_link_next(const char *link, flo_error *err,
			       char **ret_target);

#endif
