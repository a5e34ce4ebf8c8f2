/* What every step type does with its arguments. */
#ifndef FLO_STEPS_ARGS_H
#define FLO_STEPS_ARGS_H

#include <flo/step.h>

#include "base/mask.h"

/*
 * The string under @name, borrowed from @with; stays untouched if there is
 * none (or null) and it is not @required. Refused, with the name in @err: other
 * types, a NUL byte, an empty string.
 */
flo_status flo__args_string(const flo_value *with, const char *name,
			    bool required, flo_error *err,
			    const char **ret_text);

/* The boolean under @name; @ret_on stays untouched if there is none. */
flo_status flo__args_bool(const flo_value *with, const char *name,
			  flo_error *err, bool *ret_on);

/* The argument under @name, or NULL if there is none or it is null. */
const flo_value *flo__args_get(const flo_value *with, const char *name);

/*
 * @path as the step sees it: from the step's directory unless it is absolute.
 * Returns memory of the caller's (flo__free()), or NULL without memory.
 */
char *flo__args_path(const flo_step_call *call, const char *path);

/*
 * What hides the secrets of the step's run in what is quoted from elsewhere,
 * for flo__mask_excerpt(); borrowed from @context. NULL: there are none.
 */
const struct flo__mask *flo__args_mask(const flo_context *context);

/*
 * FLO_OK while the step's context lives; else its status, with why it ended
 * in @err.
 */
flo_status flo__args_ended(const flo_step_call *call, flo_error *err);

#endif
