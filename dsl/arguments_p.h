/* What a step type declares of its arguments, and whether a value fits. */
#ifndef FLO_DSL_ARGUMENTS_P_H
#define FLO_DSL_ARGUMENTS_P_H

#include <flo/error.h>
#include <flo/step.h>

#include "base/strbuf.h"
#include "dsl/report_p.h"

struct flo__expr;

/* Why a value does not fit, in words that follow the argument's name. */
struct flo__misfit {
	struct flo__strbuf text; /* owned by the caller */
	char hint[160];		 /* "" if there is none */
	bool secret;		 /* the value is not to be shown */
};

/* Whether a value of a type that is allowed is one that is. */
bool flo__argument_fits(const flo_step_param *param, const flo_value *value,
			struct flo__misfit *why);
/* The same of an array, or a text, of which only the length is known. */
bool flo__argument_len_fits(const flo_step_param *param, size_t len,
			    const char *unit, struct flo__misfit *why);

/* An item of a list, by the format of the list's argument. */
bool flo__argument_item_fits(const flo_step_param *param, const flo_value *item,
			     struct flo__misfit *why);
/* "`file` and `http`": of which @type's steps have exactly one. */
void flo__argument_choices(const flo_step_type *type, char *ret, size_t size);

/* The argument, or the member of one, that is called @name; or NULL. */
const flo_step_param *flo__argument_find(const flo_step_param *params,
					 size_t params_len, const char *name,
					 size_t len);
/* Which of them @name, that is none, looks like. */
void flo__argument_nearest(const flo_step_param *params, size_t params_len,
			   const char *name, size_t len,
			   struct flo__nearest *ret_near);
/* "did you mean ...", in @hint; NULL (and "") if nothing is near. */
const char *flo__argument_near(const flo_step_param *params, size_t params_len,
			       const char *name, size_t len, char *hint,
			       size_t hint_size);

/* The types that values of @param may have, as bits. */
unsigned flo__argument_types(const flo_step_param *param);
/* What they are called: "a string or an array". */
const char *flo__argument_wanted(const flo_step_param *param);

/* struct flo__language's check. */
flo_status flo__arguments_check(const flo_step_type *type,
				const struct flo__expr *expr,
				const flo_value *with, flo_error *err);

#endif
