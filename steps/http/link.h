/* What the field Link says (RFC 8288). */
#ifndef FLO_HTTP_LINK_H
#define FLO_HTTP_LINK_H

#include <flo/status.h>

/*
 * The target of rel="next" in Link fields (RFC 8288), a URL that may be
 * relative: owned, NULL if there is none. FLO_NOMEM.
 */
flo_status flo__http_link_next(const char *link, char **ret_target);

#endif
