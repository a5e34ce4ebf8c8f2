/*
 * Params: what a pipeline declares, in the words of JSON Schema, and whether
 * a value fits.
 */
#ifndef FLO_DSL_PARAMS_P_H
#define FLO_DSL_PARAMS_P_H

#include <flo/error.h>
#include <flo/value.h>

#include "base/map.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

struct flo__regex;

enum flo__param_type {
	FLO__PARAM_STRING,
	FLO__PARAM_INTEGER,
	FLO__PARAM_NUMBER,
	FLO__PARAM_BOOLEAN,
	FLO__PARAM_ARRAY,
	FLO__PARAM_OBJECT,
	FLO__PARAM_ANY, /* of items that do not say */
};

struct flo__param {
	const char *name;
	enum flo__param_type type;
	bool required;
	bool doubtful; /* its type, or what it is, was reported */
	bool has_min;
	bool has_max;
	bool used;	/* by some expression; while compiling */
	uint32_t place; /* of its key in the document; while compiling */
	double min;
	double max;
	uint64_t min_len;
	uint64_t max_len;	  /* UINT64_MAX: none */
	flo_value *default_;	  /* owned, or NULL */
	flo_value *one_of;	  /* owned: the enum, or NULL */
	const char *pattern;	  /* the text of regex */
	struct flo__regex *regex; /* owned, or NULL */
	struct flo__param *items; /* of an array, or NULL */
};

struct flo__params {
	struct flo__param *list;
	uint32_t len;
	struct flo__map by_name; /* numbers in list; keys are the names */
	bool all_used;		 /* `params` as a whole is; while compiling */
	bool doubtful; /* more were meant than could be read: reported */
};

void flo__params_release(struct flo__params *params);

struct flo__param *flo__params_find(const struct flo__params *params,
				    const char *name, size_t len);

/* What flo__dsl_bind() does, for params on their own. */
flo_status flo__params_bind(const struct flo__params *params,
			    const flo_value *given, flo_error *err,
			    flo_value **ret_params);

/* What flo__dsl_bind_partly() does, likewise. */
flo_status flo__params_bind_partly(const struct flo__params *params,
				   const flo_value *given, flo_error *err,
				   flo_value **ret_params);

const char *flo__param_type_text(enum flo__param_type type);

/*
 * Whether @value fits @param; if not, *@why gets a few words: "is a string,
 * not an integer".
 */
bool flo__param_fits(const struct flo__param *param, const flo_value *value,
		     struct flo__strbuf *why);

#endif
