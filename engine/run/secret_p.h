/* Reading secrets: what secret.c and secret_exec.c share. */
#ifndef FLO_ENGINE_RUN_SECRET_P_H
#define FLO_ENGINE_RUN_SECRET_P_H

#include "engine/run/run_p.h"

#define FLO__SECRET_VALUE_MAX (64u << 10)

/* Overwrite what is in @sb before it is freed. */
void flo__secret_wipe(struct flo__strbuf *sb);
/* Returns FLO_LIMIT: @what is more than a value may have. */
flo_status flo__secret_too_large(const char *what, flo_error *err);
/* The directory in which it is looked for; borrowed. */
const char *flo__secret_dir(const struct flo__run *run,
			    const struct flo__secret *secret);
/* What is hidden in what a program says that failed: all that is known, and
 * @value (or NULL), which it has printed. For flo__mask_free(); NULL without
 * memory. */
struct flo__mask *flo__secret_mask_so_far(const struct flo__run *run,
					  const struct flo__strbuf *value);

/* secret_exec.c: what the secret's program prints. */
flo_status flo__secret_read_exec(const struct flo__run *run,
				 const struct flo__secret *secret,
				 flo_context *ctx, flo_error *err,
				 struct flo__strbuf *value);

#endif
