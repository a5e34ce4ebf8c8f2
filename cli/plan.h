/*
 * What `flowctl plan` prints for people: parts of a plan as lines.
 */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include <flo/engine.h>

#include <stdio.h>

struct cli_plan_text {
	FILE *file;
	size_t width; /* columns that lines should keep to */
	/* Who gave the param: "-p", "file" ... */
	const char *(*origin)(void *arg, const char *param);
	void *arg;
};

/* Print one part. The parts come in the order of flo_pipeline_plan(). */
void cli_plan_print(const struct cli_plan_text *out, flo_plan_part part,
		    const flo_value *value);

#endif
